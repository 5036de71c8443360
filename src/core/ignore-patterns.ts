import { hash } from 'node:crypto';
import { type BytePath, displayPath } from './byte-path.ts';
import { SlipwayError } from './errors.ts';
import { cleanPath, compilePathPattern, type PathTest } from './path-pattern.ts';

/** A pattern and the line of the ignore file that it stands in, from 1. */
export interface PatternLine {
  readonly pattern: string;
  readonly line: number;
}

/** What decided about a path: the pattern as cleaned, with its `!`, and its line. */
export type DecidingPattern = PatternLine;

/** The answer for a path; it is also what the answers for the paths below it are built on. */
export interface IgnoreMatch {
  readonly isExcluded: boolean;
  /** The last pattern that said something about the path or its parents; undefined where none did. */
  readonly by?: DecidingPattern;
  /** By pattern: whether it matches the path or one above it. Undefined where none does. */
  readonly matches: Uint8Array | undefined;
}

/**
 * A list of patterns, where the last that matches decides, `!` takes a path in again, and what matches a folder matches everything in
 * it: PatternMatcher.MatchesUsingParentResults of moby/patternmatcher, as BuildKit walks a context with it. Paths are relative and
 * without slashes at their ends; names that are no UTF-8 are matched with U+FFFD in them.
 */
export interface IgnorePatterns {
  /** Whether there is no pattern: nothing is excluded. */
  readonly isEmpty: boolean;
  /** Whether any pattern starts with `!`. */
  readonly hasExceptions: boolean;
  /** Tells lists of patterns apart. */
  readonly identity: string;
  /** Whether anything in an excluded folder may be taken in again; where not, the folder need not be read. */
  mayIncludeBelow(folder: BytePath): boolean;
  /** With the answer for the path's folder, only the path itself is looked at; without, its parents are, from the top. */
  match(path: BytePath, folder?: IgnoreMatch): IgnoreMatch;
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
    if (line.length > LONGEST_LINE) throw invalid('a line is longer than 65536 bytes', file, index + 1);
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
  readonly isException: boolean;
  /** Without `!`. */
  readonly cleaned: string;
  readonly deciding: DecidingPattern;
}

/**
 * `file` is where they come from, for errors: an ignore file or a flag. Throws SlipwayError for a pattern that Go's filepath.Match or
 * regexp refuses, and for a lone `!`.
 */
export function compileIgnorePatterns(lines: readonly PatternLine[], file: string): IgnorePatterns {
  const patterns: Pattern[] = [];
  for (const { pattern, line } of lines) {
    const trimmed = pattern.trim();
    if (trimmed !== '') patterns.push(compile({ pattern: cleanPath(trimmed), line }, file));
  }
  return new PatternList(patterns);
}

function compile(deciding: DecidingPattern, file: string): Pattern {
  const { pattern, line } = deciding;
  const isException = pattern.startsWith('!');
  const cleaned = isException ? pattern.slice(1) : pattern;
  if (cleaned === '') throw invalid('illegal exclusion pattern: "!"', file, line);
  const test = compilePathPattern(cleaned);
  if (typeof test === 'object') throw invalid(`${test.problem}: ${JSON.stringify(pattern)}`, file, line);
  return { test, isException, cleaned, deciding };
}

function invalid(message: string, file: string, line: number): SlipwayError {
  return new SlipwayError('SLIPWAY_PATTERN_INVALID', `${file}:${line}: ${message}`, {
    hint: 'a pattern is a path with *, ?, ** and […]; put a backslash before a bracket that is part of a name, and a path after !',
  });
}

const SPECIAL = /[*[\]?^\\]/;

class PatternList implements IgnorePatterns {
  readonly isEmpty: boolean;
  readonly hasExceptions: boolean;
  readonly identity: string;
  readonly #patterns: readonly Pattern[];
  /** Of the patterns with `!`, what they start with; undefined where one of them may match anywhere. */
  readonly #included: readonly string[] | undefined;

  constructor(patterns: readonly Pattern[]) {
    this.#patterns = patterns;
    this.isEmpty = patterns.length === 0;
    this.identity = hash('sha256', JSON.stringify(patterns.map(({ deciding }) => deciding.pattern)), 'hex');
    const starts = patterns.filter(({ isException }) => isException).map(({ cleaned }) => withoutTrailingGlob(cleaned));
    this.hasExceptions = starts.length > 0;
    this.#included = starts.some((start) => SPECIAL.test(start)) ? undefined : starts.map((start) => `${start}/`);
  }

  mayIncludeBelow(folder: BytePath): boolean {
    return this.#included === undefined || this.#included.some((start) => start.startsWith(`${displayPath(folder)}/`));
  }

  match(path: BytePath, folder?: IgnoreMatch): IgnoreMatch {
    const text = displayPath(path);
    if (folder !== undefined) return this.#below(folder, text);
    let match = NO_MATCH;
    for (let slash = text.indexOf('/', 1); slash !== -1; slash = text.indexOf('/', slash + 1))
      match = this.#below(match, text.slice(0, slash));
    return this.#below(match, text);
  }

  #below(folder: IgnoreMatch, path: string): IgnoreMatch {
    const inherited = folder.matches;
    let matches: Uint8Array | undefined = inherited;
    let isExcluded = false;
    let by: DecidingPattern | undefined;
    for (let index = 0; index < this.#patterns.length; index++) {
      const pattern = this.#patterns[index];
      if (pattern === undefined) continue;
      if (inherited?.[index] !== 1) {
        // A pattern that could change nothing is not asked, and is not known to match in the folders below either.
        if (pattern.isException !== isExcluded || !pattern.test(path)) continue;
        if (matches === undefined || matches === inherited) matches = this.#copy(inherited);
        matches[index] = 1;
      }
      isExcluded = !pattern.isException;
      by = pattern.deciding;
    }
    return by === undefined ? NO_MATCH : { isExcluded, by, matches };
  }

  #copy(matches: Uint8Array | undefined): Uint8Array {
    return matches === undefined ? new Uint8Array(this.#patterns.length) : matches.slice();
  }
}

const NO_MATCH: IgnoreMatch = { isExcluded: false, matches: undefined };

function withoutTrailingGlob(pattern: string): string {
  return pattern.replace(/\/\*\*$/, '').replace(/\/\*$/, '');
}
