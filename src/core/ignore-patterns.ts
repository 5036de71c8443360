import { SlipwayError, type SourceExcerpt } from './errors.ts';
import { cleanPath, compilePathPattern, type PathTest } from './path-pattern.ts';

/** A pattern and the line of the ignore file that it stands in, from 1. */
export interface PatternLine {
  readonly pattern: string;
  readonly line: number;
}

/** What decided about a path: the pattern as cleaned, with its `!`, and its line where it comes from a file. */
export interface DecidingPattern {
  readonly pattern: string;
  readonly line?: number;
}

export interface IgnoreVerdict {
  readonly ignored: boolean;
  /** The last pattern that said something about the path or its parents; undefined where none did. */
  readonly by?: DecidingPattern;
}

/** The verdict on a folder together with what its patterns said, for the verdicts on what is in it. */
export interface FolderVerdict extends IgnoreVerdict {
  /** By pattern: whether it matches the folder or one above it. Undefined where none does. */
  readonly matches: Uint8Array | undefined;
}

/**
 * A list of patterns, where the last that matches decides, `!` takes a path out again, and what matches a folder matches everything in
 * it: PatternMatcher.MatchesUsingParentResults of moby/patternmatcher, as BuildKit walks a context with it. Paths are relative, with
 * slashes, as text.
 */
export interface IgnoreMatcher {
  /** Whether any pattern starts with `!`. */
  readonly hasExclusions: boolean;
  /** Whether anything in an ignored folder may be taken out again; where not, the folder need not be read. */
  mayReinclude(folder: string): boolean;
  /** On a path alone: its parents are looked at one after the other. */
  match(path: string): IgnoreVerdict;
  /** On a path whose parent's verdict is known; undefined for the top of the tree. */
  child(parent: FolderVerdict | undefined, path: string): FolderVerdict;
}

/** Where a list of patterns comes from, for errors. */
export interface PatternOrigin {
  /** `.dockerignore`, or the flag. */
  readonly file: string;
  readonly text: string;
}

const LONGEST_LINE = 65_536;

/**
 * The patterns of a .dockerignore, by moby's ignorefile.ReadAll: no byte order mark, no lines that start with `#`, no white space at the
 * ends, cleaned, and `/x` means `x`.
 */
export function parseIgnoreFile(text: string, file = '.dockerignore'): readonly PatternLine[] {
  const body = text.startsWith('\ufeff') ? text.slice(1) : text;
  const found: PatternLine[] = [];
  for (const [index, line] of body.split('\n').entries()) {
    if (line.length > LONGEST_LINE) throw invalid('a line is longer than 65536 bytes', { file, text }, index + 1);
    if (line.startsWith('#')) continue;
    const trimmed = line.trim();
    if (trimmed === '') continue;
    const isInverted = trimmed.startsWith('!');
    const pattern = (isInverted ? trimmed.slice(1) : trimmed).trim();
    const cleaned = pattern === '' ? '' : cleanPath(pattern);
    const rooted = cleaned.length > 1 && cleaned.startsWith('/') ? cleaned.slice(1) : cleaned;
    found.push({ pattern: isInverted ? `!${rooted}` : rooted, line: index + 1 });
  }
  return found;
}

interface Pattern {
  readonly test: PathTest;
  readonly isExclusion: boolean;
  /** Without `!`. */
  readonly cleaned: string;
  readonly deciding: DecidingPattern;
}

/** Throws SlipwayError for a pattern that Go's filepath.Match or regexp refuses, and for a lone `!`. */
export function compileIgnorePatterns(lines: readonly (PatternLine | string)[], origin?: PatternOrigin): IgnoreMatcher {
  const patterns: Pattern[] = [];
  for (const entry of lines) {
    const { pattern, line } = typeof entry === 'string' ? { pattern: entry, line: undefined } : entry;
    const trimmed = pattern.trim();
    if (trimmed !== '') patterns.push(compile(cleanPath(trimmed), line, origin));
  }
  return new PatternList(patterns);
}

function compile(pattern: string, line: number | undefined, origin: PatternOrigin | undefined): Pattern {
  const isExclusion = pattern.startsWith('!');
  const cleaned = isExclusion ? pattern.slice(1) : pattern;
  if (cleaned === '')
    throw invalid('illegal exclusion pattern: "!"', origin, line, 'write the path that it takes out: !path');
  const test = compilePathPattern(cleaned);
  if (typeof test === 'object')
    throw invalid(
      `${test.problem}: ${JSON.stringify(pattern)}`,
      origin,
      line,
      'write \\[ for a bracket in a file name',
    );
  return { test, isExclusion, cleaned, deciding: { pattern, ...(line === undefined ? {} : { line }) } };
}

function invalid(message: string, origin: PatternOrigin | undefined, line?: number, hint?: string): SlipwayError {
  const source: SourceExcerpt | undefined =
    origin === undefined || line === undefined
      ? undefined
      : { range: { file: origin.file, startLine: line, endLine: line }, text: origin.text };
  return new SlipwayError(
    'SLIPWAY_PATTERN_INVALID',
    `${origin === undefined ? 'ignore pattern' : origin.file}${line === undefined ? '' : ` line ${line}`}: ${message}`,
    { ...(hint === undefined ? {} : { hint }), ...(source === undefined ? {} : { source }) },
  );
}

const SPECIAL = /[*[\]?^\\]/;

class PatternList implements IgnoreMatcher {
  readonly hasExclusions: boolean;
  readonly #patterns: readonly Pattern[];
  /** Of the patterns with `!`, what they start with; undefined where one of them may match anywhere. */
  readonly #reincluded: readonly string[] | undefined;

  constructor(patterns: readonly Pattern[]) {
    this.#patterns = patterns;
    const starts = patterns.filter(({ isExclusion }) => isExclusion).map(({ cleaned }) => withoutTrailingGlob(cleaned));
    this.hasExclusions = starts.length > 0;
    this.#reincluded = starts.some((start) => SPECIAL.test(start)) ? undefined : starts.map((start) => `${start}/`);
  }

  mayReinclude(folder: string): boolean {
    return this.#reincluded === undefined || this.#reincluded.some((start) => start.startsWith(`${folder}/`));
  }

  match(path: string): IgnoreVerdict {
    let verdict: FolderVerdict | undefined;
    for (let slash = path.indexOf('/', 1); slash !== -1; slash = path.indexOf('/', slash + 1))
      verdict = this.child(verdict, path.slice(0, slash));
    return this.child(verdict, path);
  }

  child(parent: FolderVerdict | undefined, path: string): FolderVerdict {
    const inherited = parent?.matches;
    let matches: Uint8Array | undefined = inherited;
    let ignored = false;
    let by: DecidingPattern | undefined;
    for (let index = 0; index < this.#patterns.length; index++) {
      const pattern = this.#patterns[index];
      if (pattern === undefined) continue;
      if (inherited?.[index] !== 1) {
        // A pattern that could change nothing is not asked, and is not known to match in the folders below either.
        if (pattern.isExclusion !== ignored || !pattern.test(path)) continue;
        if (matches === undefined || matches === inherited) matches = this.#copy(inherited);
        matches[index] = 1;
      }
      ignored = !pattern.isExclusion;
      by = pattern.deciding;
    }
    return by === undefined ? UNTOUCHED : { ignored, by, matches };
  }

  #copy(matches: Uint8Array | undefined): Uint8Array {
    return matches === undefined ? new Uint8Array(this.#patterns.length) : matches.slice();
  }
}

const UNTOUCHED: FolderVerdict = { ignored: false, matches: undefined };

function withoutTrailingGlob(pattern: string): string {
  return pattern.replace(/\/\*\*$/, '').replace(/\/\*$/, '');
}
