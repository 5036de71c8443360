/*
 * One pattern of moby/patternmatcher, which .dockerignore and COPY --exclude are made of: `*` and `?` within a path component, `**`
 * over any number of them, `[…]`, and a backslash. moby rewrites a pattern into a Go regular expression by plain substitution, inside
 * brackets too. To mean exactly the same, the same expression is made here and run as an automaton, in time linear in the path.
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
  if (!isWellFormed(Array.from(pattern))) return BAD;
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
      const states = parseExpression(expression);
      return states === undefined ? BAD : automaton(states);
    }
    default:
      return kind satisfies never;
  }
}

/** Go's filepath.Match asked for nothing but its error. */
function isWellFormed(chars: readonly string[]): boolean {
  for (let at = 0; at < chars.length; at++) {
    if (chars[at] === '\\' && ++at === chars.length) return false;
    else if (chars[at] === '[') {
      const end = endOfBrackets(chars, at + 1);
      if (end === undefined) return false;
      at = end;
    }
  }
  return true;
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
  let expression = '';
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
      expression += char === '*' ? '[^/]*' : char === '?' ? '[^/]' : '.+()|{}$'.includes(char) ? `\\${char}` : char;
    }
  }
  return { kind, expression };
}

type CharTest = (code: number) => boolean;

/**
 * A state of the automaton. `one` passes on with a character, `many` stays with one or passes on with none; `skip` goes to the next state
 * and the one after it; `folders` stays with any character, and passes on with a slash; `start` passes on at the start of the path only.
 */
type State =
  | { readonly kind: 'one'; readonly test: CharTest; readonly literal?: string }
  | { readonly kind: 'many'; readonly test: CharTest }
  | { readonly kind: 'skip' }
  | { readonly kind: 'folders' }
  | { readonly kind: 'start' };

const NEWLINE = 10;
const SLASH = 47;
const notNewline: CharTest = (code) => code !== NEWLINE;

/** Reads the few things that `translate` writes, and what they become inside brackets. Undefined for what Go does not compile. */
function parseExpression(expression: string): readonly State[] | undefined {
  const states: State[] = [];
  const chars = Array.from(expression);
  for (let at = 0; at < chars.length; at++) {
    const char = chars[at] ?? '';
    if (char === '(') {
      states.push({ kind: 'skip' }, { kind: 'folders' });
      at += '(.*/)?'.length - 1;
    } else if (char === '.') {
      states.push({ kind: 'many', test: notNewline });
      at++;
    } else if (char === '^') states.push({ kind: 'start' });
    else if (char === '[') {
      const parsed = parseClass(chars, at + 1);
      if (parsed === undefined) return undefined;
      const isMany = chars[parsed.end + 1] === '*';
      states.push({ kind: isMany ? 'many' : 'one', test: parsed.test });
      at = parsed.end + (isMany ? 1 : 0);
    } else {
      const test = char === '\\' ? escapedTest(chars[++at] ?? '') : literalTest(char);
      if (test === undefined) return undefined;
      states.push({ kind: 'one', ...test });
    }
  }
  return states;
}

function literalTest(char: string): { readonly test: CharTest; readonly literal: string } {
  const wanted = char.codePointAt(0);
  return { test: (code) => code === wanted, literal: char };
}

const PERL: Readonly<Record<string, RegExp>> = { d: /[0-9]/, s: /[\t\n\f\r ]/, w: /[0-9A-Za-z_]/ };
const CONTROLS: Readonly<Record<string, string>> = { a: '\x07', f: '\f', n: '\n', r: '\r', t: '\t', v: '\v' };

/** What a backslash and a character mean to Go's regexp; undefined for what it refuses, and for its numbers and assertions. */
function escapedTest(char: string): { readonly test: CharTest; readonly literal?: string } | undefined {
  if (/[dDsSwW]/.test(char)) {
    const set = PERL[char.toLowerCase()];
    const isNegated = char < 'a';
    return { test: (code) => set?.test(String.fromCodePoint(code)) !== isNegated };
  }
  const literal = escapedLiteral(char);
  return literal === undefined ? undefined : literalTest(literal);
}

function escapedLiteral(char: string): string | undefined {
  if (Object.hasOwn(CONTROLS, char)) return CONTROLS[char];
  return /^[\0-\x7f]$/.test(char) && !/[0-9A-Za-z]/.test(char) ? char : undefined;
}

const POSIX: Readonly<Record<string, RegExp>> = {
  alnum: /[0-9A-Za-z]/,
  alpha: /[A-Za-z]/,
  ascii: /[\0-\x7f]/,
  blank: /[\t ]/,
  cntrl: /[\0-\x1f\x7f]/,
  digit: /[0-9]/,
  graph: /[!-~]/,
  lower: /[a-z]/,
  print: /[ -~]/,
  punct: /[!-/:-@[-`{-~]/,
  space: /[\t-\r ]/,
  upper: /[A-Z]/,
  word: /[0-9A-Za-z_]/,
  xdigit: /[0-9A-Fa-f]/,
};

/** A bracket expression from after its `[`; `end` is the place of its `]`. */
function parseClass(
  chars: readonly string[],
  start: number,
): { readonly test: CharTest; readonly end: number } | undefined {
  const isNegated = chars[start] === '^';
  const tests: CharTest[] = [];
  const first = isNegated ? start + 1 : start;
  let at = first;
  for (; chars[at] !== ']' || at === first; ) {
    const item = parsePosix(chars, at) ?? parseRange(chars, at);
    if (item === undefined) return undefined;
    tests.push(item.test);
    at = item.end;
  }
  return { test: (code) => tests.some((test) => test(code)) !== isNegated, end: at };
}

interface ClassItem {
  readonly test: CharTest;
  /** The place after it. */
  readonly end: number;
}

function parsePosix(chars: readonly string[], at: number): ClassItem | undefined {
  if (chars[at] !== '[' || chars[at + 1] !== ':') return undefined;
  const [written = '', negation, name = ''] = /^\[:(\^?)(\w+):\]/.exec(chars.slice(at, at + 12).join('')) ?? [];
  const set = Object.hasOwn(POSIX, name) ? POSIX[name] : undefined;
  if (set === undefined) return undefined;
  return { test: (code) => set.test(String.fromCodePoint(code)) !== (negation === '^'), end: at + written.length };
}

function parseRange(chars: readonly string[], at: number): ClassItem | undefined {
  if (chars[at] === '\\') {
    const set = escapedTest(chars[at + 1] ?? '');
    if (set !== undefined && set.literal === undefined) return { test: set.test, end: at + 2 };
  }
  const low = parseRangeChar(chars, at);
  if (low === undefined) return undefined;
  if (chars[low.end] !== '-' || chars[low.end + 1] === ']') return { test: (code) => code === low.code, end: low.end };
  const high = parseRangeChar(chars, low.end + 1);
  if (high === undefined || high.code < low.code) return undefined;
  return { test: (code) => code >= low.code && code <= high.code, end: high.end };
}

function parseRangeChar(
  chars: readonly string[],
  at: number,
): { readonly code: number; readonly end: number } | undefined {
  const isEscaped = chars[at] === '\\';
  const char = isEscaped ? escapedLiteral(chars[at + 1] ?? '') : chars[at];
  const code = char?.codePointAt(0);
  return code === undefined ? undefined : { code, end: at + (isEscaped ? 2 : 1) };
}

/** Runs the states over a path. Literal text at the ends decides for most paths before that. */
function automaton(states: readonly State[]): PathTest {
  const head = literalRun(states);
  const tail = literalRun(states.toReversed()).reverse();
  const [prefix, suffix] = [head.join(''), tail.join('')];
  let [now, next] = [new StateSet(states), new StateSet(states)];
  return (path) => {
    if (!path.startsWith(prefix) || !path.endsWith(suffix)) return false;
    now.clear();
    now.add(0, true);
    for (let at = 0; at < path.length && now.size > 0; ) {
      const code = path.codePointAt(at) ?? 0;
      next.clear();
      now.step(code, next);
      [now, next] = [next, now];
      at += code > 0xffff ? 2 : 1;
    }
    return now.has(states.length);
  };
}

function literalRun(states: readonly State[]): string[] {
  const run: string[] = [];
  for (const state of states) {
    if (state.kind !== 'one' || state.literal === undefined) break;
    run.push(state.literal);
  }
  return run;
}

/** States that are active at one place of the path. */
class StateSet {
  size = 0;
  readonly #states: readonly State[];
  readonly #members: Uint32Array;
  readonly #isMember: Uint8Array;

  constructor(states: readonly State[]) {
    this.#states = states;
    this.#members = new Uint32Array(states.length + 1);
    this.#isMember = new Uint8Array(states.length + 1);
  }

  clear(): void {
    for (let index = 0; index < this.size; index++) this.#isMember[this.#members[index] ?? 0] = 0;
    this.size = 0;
  }

  has(state: number): boolean {
    return this.#isMember[state] === 1;
  }

  /** With everything that is reached from it without a character. */
  add(state: number, isAtStart: boolean): void {
    for (let at = state; ; at++) {
      if (this.#isMember[at] === 1) return;
      this.#isMember[at] = 1;
      this.#members[this.size++] = at;
      const kind = this.#states[at]?.kind;
      if (kind === 'skip') this.add(at + 2, isAtStart);
      else if (kind !== 'many' && !(kind === 'start' && isAtStart)) return;
    }
  }

  /** Puts where `code` leads from here into `next`. */
  step(code: number, next: StateSet): void {
    for (let index = 0; index < this.size; index++) {
      const at = this.#members[index] ?? 0;
      const state = this.#states[at];
      if (state?.kind === 'one' && state.test(code)) next.add(at + 1, false);
      else if (state?.kind === 'many' && state.test(code)) next.add(at, false);
      else if (state?.kind === 'folders' && code !== NEWLINE) {
        next.add(at, false);
        if (code === SLASH) next.add(at + 1, false);
      }
    }
  }
}
