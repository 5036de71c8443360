import type { CharTest } from './path-automaton.ts';

/** What a backslash sequence of Go's regular expressions means. `end` is the place of its last character. */
export type Escape =
  | { readonly kind: 'char'; readonly code: number; readonly end: number }
  | { readonly kind: 'class'; readonly test: CharTest; readonly end: number }
  | { readonly kind: 'start' | 'end' | 'boundary' | 'inside'; readonly end: number }
  /** `\Q…\E`. */
  | { readonly kind: 'text'; readonly chars: readonly string[]; readonly end: number };

const CONTROLS: Readonly<Record<string, number>> = { a: 7, f: 12, n: 10, r: 13, t: 9, v: 11 };
const PERL: Readonly<Record<string, RegExp>> = { d: /[0-9]/, s: /[\t\n\f\r ]/, w: /[0-9A-Za-z_]/ };
const ASSERTIONS = { A: 'start', z: 'end', b: 'boundary', B: 'inside' } as const;

/** Reads the sequence whose backslash stands at `at`. Undefined for what Go refuses. */
export function readEscape(chars: readonly string[], at: number): Escape | undefined {
  const char = chars[at + 1] ?? '';
  const end = at + 1;
  if (char === 'A' || char === 'z' || char === 'b' || char === 'B') return { kind: ASSERTIONS[char], end };
  if (char === 'Q') return readQuoted(chars, at + 2);
  if (char === 'p' || char === 'P') return readProperty(chars, at);
  const perl = PERL[char.toLowerCase()];
  if (perl !== undefined) return { kind: 'class', test: testOf(perl, char < 'a'), end };
  return readEscapedChar(chars, at);
}

/** Of these sequences, those that stand for one character: all that may be the end of a range. */
export function readEscapedChar(
  chars: readonly string[],
  at: number,
): { readonly kind: 'char'; readonly code: number; readonly end: number } | undefined {
  const char = chars[at + 1] ?? '';
  const rest = chars.slice(at + 1, at + 14).join('');
  const octal = /^(?:0[0-7]{0,2}|[1-7][0-7]{1,2})/.exec(rest)?.[0];
  if (octal !== undefined) return { kind: 'char', code: Number.parseInt(octal, 8), end: at + octal.length };
  const [hex, short, long] = /^x(?:([0-9a-fA-F]{2})|\{([0-9a-fA-F]{1,8})\})/.exec(rest) ?? [];
  if (hex !== undefined) {
    const code = Number.parseInt(short ?? long ?? '', 16);
    return code > 0x10ffff ? undefined : { kind: 'char', code, end: at + hex.length };
  }
  const code = Object.hasOwn(CONTROLS, char) ? CONTROLS[char] : punctuationCode(char);
  return code === undefined ? undefined : { kind: 'char', code, end: at + 1 };
}

/** ASCII that is neither letter nor digit stands for itself. */
function punctuationCode(char: string): number | undefined {
  const code = char.codePointAt(0) ?? 0x80;
  return code >= 0x80 || /[0-9A-Za-z]/.test(char) ? undefined : code;
}

function readQuoted(chars: readonly string[], start: number): Escape {
  let end = start;
  while (end < chars.length && !(chars[end] === '\\' && chars[end + 1] === 'E')) end++;
  return { kind: 'text', chars: chars.slice(start, end), end: Math.min(end + 1, chars.length - 1) };
}

/** `\pL`, `\P{Greek}`, `\p{^Lu}`. */
function readProperty(chars: readonly string[], at: number): Escape | undefined {
  const rest = chars.slice(at + 1, at + 60).join('');
  const [written, sign, braced, letter] = /^([pP])(?:\{(\^?\w+)\}|(\w))/.exec(rest) ?? [];
  const name = braced ?? letter;
  if (written === undefined || name === undefined) return undefined;
  const set = propertyOf(name.replace('^', ''));
  const isNegated = (sign === 'P') !== name.startsWith('^');
  return set === undefined ? undefined : { kind: 'class', test: testOf(set, isNegated), end: at + written.length };
}

function propertyOf(name: string): RegExp | undefined {
  if (name === 'Any') return /^\p{Any}/u;
  try {
    return new RegExp(/^\p{Lu}\p{Ll}?$/u.test(name) ? `^\\p{gc=${name}}` : `^\\p{sc=${name}}`, 'u');
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}

function testOf(set: RegExp, isNegated: boolean): CharTest {
  return (code) => set.test(String.fromCodePoint(code)) !== isNegated;
}
