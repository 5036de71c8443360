import type { HealthConfig } from '../../src/core/image-config.ts';

/** History texts come from Go's fmt package; these give the same characters. */

const SHORT_ESCAPES: Readonly<Record<string, string>> = {
  '\x07': '\\a',
  '\b': '\\b',
  '\f': '\\f',
  '\n': '\\n',
  '\r': '\\r',
  '\t': '\\t',
  '\v': '\\v',
  '\\': '\\\\',
  '"': '\\"',
};

/** A text as `%q` writes it. */
export function goQuote(text: string): string {
  let quoted = '';
  for (const char of text) quoted += SHORT_ESCAPES[char] ?? (isPrintable(char) ? char : escaped(char));
  return `"${quoted}"`;
}

/** A list of texts as `%q` writes it: `["a" "b"]`. */
export function goQuoteList(texts: readonly string[]): string {
  return `[${texts.map(goQuote).join(' ')}]`;
}

/** A list as `%v` writes it: `[a b]`. */
export function goList(texts: readonly string[]): string {
  return `[${texts.join(' ')}]`;
}

/** A health check as `%q` writes a pointer to one: durations as quoted texts, the number of retries as a character. */
export function goHealthcheck(health: HealthConfig): string {
  const durations = [health.Interval, health.Timeout, health.StartPeriod, health.StartInterval];
  const members = [
    goQuoteList(health.Test ?? []),
    ...durations.map((duration = 0) => goQuote(goDuration(duration))),
    goQuoteRune(health.Retries ?? 0),
  ];
  return `&{${members.join(' ')}}`;
}

function goQuoteRune(code: number): string {
  const isRune = code <= 0x10ffff && !(code >= 0xd800 && code <= 0xdfff);
  const char = isRune ? String.fromCodePoint(code) : '\ufffd';
  if (char === "'") return "'\\''";
  return char === '"' ? `'"'` : `'${goQuote(char).slice(1, -1)}'`;
}

/** Nanoseconds as time.Duration prints them: `1h0m5s`, `1.5s`, `20ms`, `0s`. */
export function goDuration(nanoseconds: number): string {
  if (nanoseconds === 0) return '0s';
  const total = BigInt(Math.trunc(nanoseconds));
  if (total < 0n) return `-${goDuration(-nanoseconds)}`;
  if (total < 1_000n) return `${total}ns`;
  if (total < 1_000_000n) return `${decimal(total, 1_000n)}µs`;
  if (total < 1_000_000_000n) return `${decimal(total, 1_000_000n)}ms`;
  const minutes = total / 60_000_000_000n;
  const seconds = `${decimal(total % 60_000_000_000n, 1_000_000_000n)}s`;
  if (minutes === 0n) return seconds;
  return minutes < 60n ? `${minutes}m${seconds}` : `${minutes / 60n}h${minutes % 60n}m${seconds}`;
}

function decimal(value: bigint, unit: bigint): string {
  const digits = String(unit).length - 1;
  const fraction = String(value % unit)
    .padStart(digits, '0')
    .replace(/0+$/, '');
  return fraction === '' ? `${value / unit}` : `${value / unit}.${fraction}`;
}

function isPrintable(char: string): boolean {
  return char === ' ' || /^[\p{L}\p{M}\p{N}\p{P}\p{S}]$/u.test(char);
}

function escaped(char: string): string {
  const code = char.codePointAt(0) ?? 0;
  if (code < 0x80) return `\\x${code.toString(16).padStart(2, '0')}`;
  return code < 0x10000 ? `\\u${code.toString(16).padStart(4, '0')}` : `\\U${code.toString(16).padStart(8, '0')}`;
}
