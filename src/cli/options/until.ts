import { invalidOption } from './invalid-option.ts';

const UNITS = { s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 } as const;

/** `--filter until=24h` as a number of milliseconds; undefined without a filter. */
export function parseUntil(filters: readonly string[]): number | undefined {
  const ages = filters.map((filter) => {
    const text = /^until=(.*)$/.exec(filter)?.[1];
    if (text === undefined) throw invalidOption('--filter', `"${filter}": expected until=DURATION`);
    return ageOf(text);
  });
  return ages.length === 0 ? undefined : Math.max(...ages);
}

function ageOf(text: string): number {
  if (!/^(\d{1,6}[smhd])+$/.test(text))
    throw invalidOption('--filter', `"until=${text}": expected a duration such as 24h, 7d or 1h30m`);
  const parts = [...text.matchAll(/(\d+)([smhd])/g)];
  return parts.reduce((sum, [, count, unit]) => sum + Number(count) * UNITS[unit as keyof typeof UNITS], 0);
}
