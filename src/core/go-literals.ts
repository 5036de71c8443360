/*
 * Values as Go reads them: strconv (booleans, integers), time (durations) and docker's go-units (sizes). Every function answers
 * undefined for a text that Go refuses.
 */

const TRUE = new Set(['1', 't', 'T', 'TRUE', 'true', 'True']);
const FALSE = new Set(['0', 'f', 'F', 'FALSE', 'false', 'False']);

/** strconv.ParseBool. */
export function parseGoBoolean(text: string): boolean | undefined {
  if (TRUE.has(text)) return true;
  return FALSE.has(text) ? false : undefined;
}

/** strconv.ParseUint(text, base, 32). */
export function parseGoUint32(text: string, base: 8 | 10): number | undefined {
  if (!(base === 8 ? /^[0-7]+$/ : /^[0-9]+$/).test(text)) return undefined;
  const value = Number.parseInt(text, base);
  return value <= 0xffffffff ? value : undefined;
}

/** strconv.ParseInt(text, 10, 32). */
export function parseGoInt32(text: string): number | undefined {
  if (!/^[+-]?[0-9]+$/.test(text)) return undefined;
  const value = Number.parseInt(text, 10);
  return value >= -0x80000000 && value <= 0x7fffffff ? value + 0 : undefined;
}

const BINARY_POWERS = 'bkmgtp';

/** go-units' RAMInBytes: `64m`, `1.5 GiB`, `512`; units are powers of 1024, bytes without one. */
export function parseByteSize(text: string): number | undefined {
  const match = /^(\+?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?) ?([a-zA-Z]{0,3})$/.exec(text);
  if (match === null) return undefined;
  const unit = (match[2] ?? '').toLowerCase();
  if (!/^(?:b?|[kmgtp](?:i?b)?)$/.test(unit)) return undefined;
  const bytes = Number(match[1]) * 1024 ** Math.max(0, BINARY_POWERS.indexOf(unit.charAt(0)));
  return bytes <= Number.MAX_SAFE_INTEGER ? Math.trunc(bytes) : undefined;
}

const NANOSECONDS: Readonly<Record<string, bigint>> = {
  ns: 1n,
  us: 1_000n,
  µs: 1_000n,
  μs: 1_000n,
  ms: 1_000_000n,
  s: 1_000_000_000n,
  m: 60_000_000_000n,
  h: 3_600_000_000_000n,
};
const LONGEST_DURATION = 2n ** 63n - 1n;

/** Why a text is no duration, in the words of Go's time package. */
export interface BadDuration {
  readonly problem: string;
}

/** time.ParseDuration, in nanoseconds: `1m30s`, `1.5h`, `-20ms`, `0`. */
export function parseGoDuration(text: string): number | BadDuration {
  const quoted = JSON.stringify(text);
  const sign = /^[+-]/.exec(text)?.[0] ?? '';
  const body = text.slice(sign.length);
  if (body === '0') return 0;
  const invalid = { problem: `time: invalid duration ${quoted}` };
  if (body === '' || body.length > 200) return invalid;
  let total = 0n;
  for (let rest = body; rest !== ''; ) {
    const match = /^([0-9]*)(?:\.([0-9]*))?([^0-9.]*)/.exec(rest);
    const [written = '', whole = '', fraction = '', unit = ''] = match ?? [];
    if (whole === '' && fraction === '') return invalid;
    if (unit === '') return { problem: `time: missing unit in duration ${quoted}` };
    const scale = Object.hasOwn(NANOSECONDS, unit) ? NANOSECONDS[unit] : undefined;
    if (scale === undefined) return { problem: `time: unknown unit ${JSON.stringify(unit)} in duration ${quoted}` };
    total += BigInt(whole || '0') * scale + (BigInt(fraction || '0') * scale) / 10n ** BigInt(fraction.length);
    rest = rest.slice(written.length);
  }
  if (total > LONGEST_DURATION) return invalid;
  return Number(sign === '-' ? -total : total);
}
