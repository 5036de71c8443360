import { SlipwayError } from '../../src/core/errors.ts';

/**
 * The patterns of `${name#pattern}`, `%` and `/`: `*` is any run of characters but newlines, `?` one of them, a backslash makes the
 * next `*`, `?` or backslash ordinary. No brackets. Matching takes the same choices as the regular expression `^a.*b` would in Go, in
 * time proportional to pattern times text.
 */
export interface ShellPattern {
  readonly tokens: readonly Token[];
}

type Token = { readonly kind: 'star' } | { readonly kind: 'any' } | { readonly kind: 'char'; readonly char: string };

/** `shortest` tries the fewest characters for each `*` first, `longest` the most. */
export type Preference = 'shortest' | 'longest';

const STEP_BUDGET = 50_000_000;

/** Why a text is no pattern. */
export interface BadShellPattern {
  readonly problem: string;
}

/** A backslash before anything that needs none is refused. `}` and `/` may have one, as `${…}` itself asks for it. */
export function parseShellPattern(pattern: string): ShellPattern | BadShellPattern {
  const tokens: Token[] = [];
  const chars = Array.from(pattern);
  for (let index = 0; index < chars.length; index++) {
    const char = chars[index] ?? '';
    if (char === '*') tokens.push({ kind: 'star' });
    else if (char === '?') tokens.push({ kind: 'any' });
    else if (char !== '\\') tokens.push({ kind: 'char', char });
    else {
      const next = chars[++index] ?? '';
      if (next === '' || !'}/*?\\'.includes(next))
        return { problem: `invalid pattern (${pattern}) in substitution: invalid escape '\\${next}'` };
      tokens.push({ kind: 'char', char: next });
    }
  }
  return { tokens };
}

/** The text without the prefix that matches. */
export function trimPrefix(pattern: ShellPattern, text: string, preference: Preference): string {
  const chars = Array.from(text);
  const end = new Matcher(pattern.tokens, chars, preference).matchAt(0);
  return end === undefined ? text : chars.slice(end).join('');
}

/** The text without the suffix that matches: both are turned round, as the shortest suffix is not a leftmost match. */
export function trimSuffix(pattern: ShellPattern, text: string, preference: Preference): string {
  const chars = Array.from(text).reverse();
  const end = new Matcher(pattern.tokens.toReversed(), chars, preference).matchAt(0);
  return end === undefined ? text : chars.slice(end).reverse().join('');
}

/** The first match from the left, the longest there, replaced. */
export function replaceFirst(pattern: ShellPattern, text: string, replacement: string): string {
  const chars = Array.from(text);
  const found = search(new Matcher(pattern.tokens, chars, 'longest'), chars.length, 0);
  if (found === undefined) return text;
  return chars.slice(0, found.start).join('') + replacement + chars.slice(found.end).join('');
}

/** Every match replaced, with the rules of Go's Regexp.ReplaceAllString: no empty match right after a match; `$0` is the match. */
export function replaceAll(pattern: ShellPattern, text: string, replacement: string): string {
  const chars = Array.from(text);
  const matcher = new Matcher(pattern.tokens, chars, 'longest');
  const parts: string[] = [];
  let copied = 0;
  for (let from = 0; from <= chars.length; ) {
    const found = search(matcher, chars.length, from);
    if (found === undefined) break;
    parts.push(chars.slice(copied, found.start).join(''));
    if (found.end > copied || found.start === 0)
      parts.push(expandTemplate(replacement, chars.slice(found.start, found.end).join('')));
    copied = found.end;
    from = Math.max(from + 1, found.end);
  }
  parts.push(chars.slice(copied).join(''));
  return parts.join('');
}

function search(matcher: Matcher, length: number, from: number): { start: number; end: number } | undefined {
  for (let start = from; start <= length; start++) {
    const end = matcher.matchAt(start);
    if (end !== undefined) return { start, end };
  }
  return undefined;
}

/** Go's Regexp.Expand for an expression without groups: `$$` is `$`, `$0` the match, any other name is empty. */
function expandTemplate(template: string, match: string): string {
  return template.replace(/\$(?:\$|\{([\p{L}\p{Nd}_]+)\}|([\p{L}\p{Nd}_]+))/gu, (written, braced, plain) => {
    if (written === '$$') return '$';
    return /^0+$/.test(braced ?? plain) ? match : '';
  });
}

/** A `*` that is being tried: the characters from `from` to `limit` can be its, `at` is the end that is tried now. */
interface Trial {
  readonly token: number;
  readonly from: number;
  readonly limit: number;
  at: number;
}

/** Backtracking with a memory: what comes after a `*` is tried at most once from each place. */
class Matcher {
  readonly #tokens: readonly Token[];
  readonly #text: readonly string[];
  readonly #preference: Preference;
  /** By place: where its line ends. */
  readonly #lineEnds: Uint32Array;
  /** By token and end of line: from where on everything is known not to match. */
  readonly #hopeless = new Map<number, number>();
  #steps = 0;

  constructor(tokens: readonly Token[], text: readonly string[], preference: Preference) {
    this.#tokens = tokens;
    this.#text = text;
    this.#preference = preference;
    this.#lineEnds = new Uint32Array(text.length + 1).fill(text.length);
    for (let at = text.length - 1; at >= 0; at--)
      this.#lineEnds[at] = text[at] === '\n' ? at : (this.#lineEnds[at + 1] ?? at);
  }

  /** Where the match that begins at `start` ends. */
  matchAt(start: number): number | undefined {
    const trials: Trial[] = [];
    let [token, at] = [0, start];
    for (;;) {
      [token, at] = this.#advance(token, at);
      if (token === this.#tokens.length) return at;
      const trial = this.#tokens[token]?.kind === 'star' ? this.#begin(token, at) : undefined;
      if (trial !== undefined) trials.push(trial);
      else if (!this.#retry(trials)) return undefined;
      const current = trials.at(-1);
      if (current === undefined) return undefined;
      [token, at] = [current.token + 1, current.at];
    }
  }

  /** Over single characters, up to a `*`, the end of the pattern, or what does not match. */
  #advance(token: number, at: number): [number, number] {
    for (; token < this.#tokens.length; token++, at++) {
      const wanted = this.#tokens[token];
      const char = this.#text[at];
      if (++this.#steps > STEP_BUDGET)
        throw new SlipwayError('SLIPWAY_VARIABLE_INVALID', 'the pattern in a substitution takes too long to match');
      if (wanted === undefined || wanted.kind === 'star' || char === undefined) break;
      if (wanted.kind === 'any' ? char === '\n' : char !== wanted.char) break;
    }
    return [token, at];
  }

  #begin(token: number, from: number): Trial | undefined {
    const end = this.#lineEnds[from] ?? from;
    const known = this.#hopeless.get(this.#key(token, end));
    const limit = known === undefined ? end : Math.min(end, known - 1);
    if (limit < from) return undefined;
    return { token, from, limit, at: this.#preference === 'shortest' ? from : limit };
  }

  /** Moves the innermost trial on; gives up those that are exhausted. */
  #retry(trials: Trial[]): boolean {
    for (let trial = trials.at(-1); trial !== undefined; trial = trials.at(-1)) {
      trial.at += this.#preference === 'shortest' ? 1 : -1;
      if (trial.at >= trial.from && trial.at <= trial.limit) return true;
      trials.pop();
      this.#hopeless.set(this.#key(trial.token, this.#lineEnds[trial.from] ?? trial.from), trial.from);
    }
    return false;
  }

  #key(token: number, lineEnd: number): number {
    return token * (this.#text.length + 1) + lineEnd;
  }
}
