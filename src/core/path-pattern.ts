import { automatonOf } from './path-automaton.ts';
import { parseExpression } from './path-expression.ts';

/*
 * One pattern of moby/patternmatcher, which .dockerignore and COPY --exclude are made of: `*` and `?` within a path component, `**`
 * over any number of them, `[…]`, and a backslash. moby rewrites a pattern into a Go regular expression by plain substitution: inside
 * brackets too, and without escaping `{`, `|` and `}`. To mean exactly the same, the same expression is made here and run as an
 * automaton, in time linear in the path.
 */

/** Whether a path (no slash at either end) is what a pattern describes; parents are not looked at. */
export type PathTest = (path: string) => boolean;

/** Why a text is no pattern: Go's `syntax error in pattern`. */
export interface BadPattern {
  readonly problem: string;
}

const BAD: BadPattern = { problem: 'syntax error in pattern' };

/** Go's filepath.Clean on Unix: no `.`, no `x/..`, no doubled or trailing slashes; an empty path is `.`. */
export function cleanPath(path: string): string {
  const isRooted = path.startsWith('/');
  const kept: string[] = [];
  for (const part of path.split('/')) {
    if (part === '' || part === '.') continue;
    if (part !== '..') kept.push(part);
    else if (kept.length > 0 && kept.at(-1) !== '..') kept.pop();
    else if (!isRooted) kept.push(part);
  }
  const joined = kept.join('/');
  return isRooted ? `/${joined}` : joined || '.';
}

/** The test of a cleaned pattern without its `!`. */
export function compilePathPattern(pattern: string): PathTest | BadPattern {
  if (!isAcceptable(Array.from(pattern))) return BAD;
  const { kind, expression } = translate(pattern);
  switch (kind) {
    case 'exact':
      return (path) => path === pattern;
    case 'prefix': {
      const prefix = pattern.slice(0, -2);
      return (path) => path.startsWith(prefix);
    }
    case 'suffix': {
      const suffix = pattern.slice(2);
      return (path) => path.endsWith(suffix) || (suffix.startsWith('/') && path === suffix.slice(1));
    }
    case 'expression': {
      const parsed = parseExpression(expression);
      return parsed === undefined ? BAD : automatonOf(parsed);
    }
    default:
      return kind satisfies never;
  }
}

/**
 * Whether Go's `filepath.Match(pattern, ".")` finds no fault, which is how moby checks a pattern. It reads up to the first `*` only,
 * or up to the second where what stands before the first matches a dot.
 */
function isAcceptable(chars: readonly string[]): boolean {
  const first = readChunk(chars, 0);
  if (first === undefined || !first.matchesDot) return first !== undefined;
  return readChunk(chars, first.end) !== undefined;
}

/** The pattern up to the next `*` that is in no brackets; undefined where it is malformed. */
function readChunk(
  chars: readonly string[],
  start: number,
): { readonly end: number; readonly matchesDot: boolean } | undefined {
  let at = start;
  while (chars[at] === '*') at++;
  const first = at;
  let hasDotOnly = false;
  for (; at < chars.length && chars[at] !== '*'; at++) {
    const term = at;
    if (chars[at] === '\\' && ++at === chars.length) return undefined;
    if (chars[term] === '[') {
      const end = endOfBrackets(chars, at + 1);
      if (end === undefined) return undefined;
      at = end;
    }
    hasDotOnly = term === first && matchesDot(chars.slice(term, at + 1));
  }
  return { end: at, matchesDot: hasDotOnly };
}

/** Whether one term of a pattern matches a dot. */
function matchesDot(term: readonly string[]): boolean {
  if (term[0] !== '[') return term[0] === '?' || term.at(-1) === '.';
  const test = parseExpression(term.join(''));
  return test !== undefined && automatonOf(test)('.');
}

/** The place of the `]`; undefined where the brackets are empty, not closed, or have a bare `-`. */
function endOfBrackets(chars: readonly string[], start: number): number | undefined {
  let at = chars[start] === '^' ? start + 1 : start;
  for (let ranges = 0; chars[at] !== ']' || ranges === 0; ranges++) {
    const low = endOfRangeChar(chars, at);
    if (low === undefined) return undefined;
    const high = chars[low] === '-' ? endOfRangeChar(chars, low + 1) : low;
    if (high === undefined) return undefined;
    at = high;
  }
  return at;
}

function endOfRangeChar(chars: readonly string[], at: number): number | undefined {
  if (chars[at] === '-' || chars[at] === ']') return undefined;
  const end = at + (chars[at] === '\\' ? 2 : 1);
  return end < chars.length ? end : undefined;
}

type Kind = 'exact' | 'prefix' | 'suffix' | 'expression';

/** moby's Pattern.compile, for `/`. */
function translate(pattern: string): { readonly kind: Kind; readonly expression: string } {
  const chars = Array.from(pattern);
  let kind: Kind = 'exact';
  let expression = '^';
  for (let at = 0; at < chars.length; at++) {
    const char = chars[at] ?? '';
    if (char === '*' && chars[at + 1] === '*') {
      const isFirst = at === 0;
      at += chars[at + 2] === '/' ? 2 : 1;
      const isLast = at === chars.length - 1;
      if (!isLast) expression += '(.*/)?';
      else if (kind !== 'exact') expression += '.*';
      kind = isLast && kind === 'exact' ? 'prefix' : 'expression';
      if (isFirst) kind = 'suffix';
    } else if (char === '\\') {
      expression += char + (chars[++at] ?? '');
      kind = 'expression';
    } else {
      if ('*?[]'.includes(char)) kind = 'expression';
      expression += char === '*' ? '[^/]*' : char === '?' ? '[^/]' : '.+()$'.includes(char) ? `\\${char}` : char;
    }
  }
  return { kind, expression: `${expression}$` };
}
