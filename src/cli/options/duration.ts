import { invalidOption } from './invalid-option.ts';

const UNITS = { ms: 1, s: 1000, m: 60_000, h: 3_600_000 } as const;
/** What a timer takes. */
const LIMIT_MS = 2 ** 31 - 1;

/** A duration as Go writes it (`90s`, `1h30m`, `1.5m`) in milliseconds; undefined where there is none. */
export function parseDuration(option: string, text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  const wrong = () => invalidOption(option, `"${text}": expected a duration such as 90s, 10m or 1h30m`);
  if (!/^(\d+(\.\d+)?(ms|s|m|h))+$/.test(text)) throw wrong();
  const parts = [...text.matchAll(/(\d+(?:\.\d+)?)(ms|s|m|h)/g)];
  const total = parts.reduce((sum, [, count, unit]) => sum + Number(count) * UNITS[unit as keyof typeof UNITS], 0);
  if (total <= 0 || total > LIMIT_MS) throw wrong();
  return Math.ceil(total);
}
