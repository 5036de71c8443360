import type { CharTest, Expression, State } from './path-automaton.ts';
import { type Escape, readEscape, readEscapedChar } from './path-escape.ts';

const NEWLINE = 10;
const MOST_REPEATS = 1000;
const MOST_STATES = 100_000;
const REPEAT = /^\{(0|[1-9][0-9]*)(,?)(0|[1-9][0-9]*)?\}/;

const notNewline: CharTest = (code) => code !== NEWLINE;

/**
 * Reads as much of Go's regular expressions as patterns turn into: characters, classes, escapes, `^`, `$`, `|`, `(.*\/)?`, `*` after a
 * class or a dot, and `{n,m}`. Undefined for what Go does not compile.
 */
export function parseExpression(expression: string): Expression | undefined {
  const chars = Array.from(expression);
  const states: State[] = [];
  const starts = [0];
  /** Whether the last state can be repeated: neither nothing nor what is repeated already. */
  let isRepeatable = false;
  for (let at = 0; at < chars.length; at++) {
    const char = chars[at] ?? '';
    const repeat = char === '{' ? REPEAT.exec(chars.slice(at, at + 30).join('')) : null;
    if (repeat !== null) {
      if (!isRepeatable || !repeatLast(states, repeat)) return undefined;
      isRepeatable = false;
      at += repeat[0].length - 1;
    } else if (char === '|') {
      states.push({ kind: 'accept' });
      starts.push(states.length);
      isRepeatable = false;
    } else {
      const piece = readPiece(chars, at);
      if (piece === undefined) return undefined;
      states.push(...piece.states);
      const last = piece.states.at(-1)?.kind;
      if (last !== undefined) isRepeatable = last !== 'many' && last !== 'folders';
      at = piece.end;
    }
  }
  states.push({ kind: 'accept' });
  return { states, starts };
}

/** What stands at one place; `end` is the place of its last character. */
function readPiece(
  chars: readonly string[],
  at: number,
): { readonly states: readonly State[]; readonly end: number } | undefined {
  const char = chars[at] ?? '';
  switch (char) {
    case '(':
      return { states: [{ kind: 'skip' }, { kind: 'folders' }], end: at + '(.*/)?'.length - 1 };
    case '.':
      return { states: [{ kind: 'many', test: notNewline }], end: at + 1 };
    case '^':
      return { states: [{ kind: 'start' }], end: at };
    case '$':
      return { states: [{ kind: 'end' }], end: at };
    case '[': {
      const parsed = parseClass(chars, at + 1);
      if (parsed === undefined) return undefined;
      const isMany = chars[parsed.end + 1] === '*';
      return { states: [{ kind: isMany ? 'many' : 'one', test: parsed.test }], end: parsed.end + (isMany ? 1 : 0) };
    }
    case '\\': {
      const escaped = readEscape(chars, at);
      return escaped === undefined ? undefined : { states: escapedStates(escaped), end: escaped.end };
    }
    default:
      return { states: [literalState(char.codePointAt(0) ?? 0)], end: at };
  }
}

/** Puts as many copies of the last state as `{min}`, `{min,}` or `{min,max}` says. */
function repeatLast(states: State[], [, low = '', comma, high]: RegExpExecArray): boolean {
  const state = states.pop();
  const min = Number(low);
  const max = comma === '' ? min : high === undefined ? undefined : Number(high);
  const most = max ?? min;
  if (state === undefined || min > MOST_REPEATS || most > MOST_REPEATS || most < min) return false;
  if (states.length + 2 * most > MOST_STATES) return false;
  for (let count = 0; count < min; count++) states.push(state);
  for (let count = min; count < most; count++) states.push({ kind: 'skip' }, state);
  if (max === undefined && state.kind === 'one') states.push({ kind: 'many', test: state.test });
  return true;
}

/** The states of a backslash sequence outside of brackets. */
function escapedStates(escaped: Escape): readonly State[] {
  switch (escaped.kind) {
    case 'char':
      return [literalState(escaped.code)];
    case 'class':
      return [{ kind: 'one', test: escaped.test }];
    case 'text':
      return escaped.chars.map((char) => literalState(char.codePointAt(0) ?? 0));
    case 'start':
    case 'end':
    case 'boundary':
    case 'inside':
      return [{ kind: escaped.kind }];
    default:
      return escaped satisfies never;
  }
}

function literalState(wanted: number): State {
  return { kind: 'one', test: (code) => code === wanted, literal: String.fromCodePoint(wanted) };
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
  while (chars[at] !== ']' || at === first) {
    const item = isPosix(chars, at) ? parsePosix(chars, at) : parseRange(chars, at);
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

function isPosix(chars: readonly string[], at: number): boolean {
  return (
    chars[at] === '[' &&
    chars[at + 1] === ':' &&
    chars
      .slice(at + 2)
      .join('')
      .includes(':]')
  );
}

function parsePosix(chars: readonly string[], at: number): ClassItem | undefined {
  const [written = '', negation, name = ''] = /^\[:(\^?)(\w+):\]/.exec(chars.slice(at, at + 12).join('')) ?? [];
  const set = Object.hasOwn(POSIX, name) ? POSIX[name] : undefined;
  if (set === undefined) return undefined;
  return { test: (code) => set.test(String.fromCodePoint(code)) !== (negation === '^'), end: at + written.length };
}

function parseRange(chars: readonly string[], at: number): ClassItem | undefined {
  if (chars[at] === '\\') {
    const escaped = readEscape(chars, at);
    if (escaped?.kind === 'class') return { test: escaped.test, end: escaped.end + 1 };
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
  if (chars[at] === '\\') {
    const escaped = readEscapedChar(chars, at);
    return escaped === undefined ? undefined : { code: escaped.code, end: escaped.end + 1 };
  }
  const code = chars[at]?.codePointAt(0);
  return code === undefined ? undefined : { code, end: at + 1 };
}
