import type { ResourceLimits } from '../../core/executor.ts';
import { invalidOption } from './invalid-option.ts';
import { parseSize } from './size.ts';

/** The keys of `--resource`; docker's older options `--memory`, `--cpu-shares`, … are the same keys with dashes in front. */
export const RESOURCE_KEYS = [
  'memory',
  'memory-swap',
  'cpu-shares',
  'cpu-period',
  'cpu-quota',
  'cpuset-cpus',
  'cpuset-mems',
] as const;

/** `--resource KEY=VALUE` in order, later ones winning; undefined where there is none. */
export function parseResources(values: readonly string[]): ResourceLimits | undefined {
  let limits: ResourceLimits | undefined;
  for (const text of values) {
    const equals = text.indexOf('=');
    const key = RESOURCE_KEYS.find((known) => known === text.slice(0, Math.max(equals, 0)));
    if (key === undefined)
      throw invalidOption('--resource', `"${text}": expected KEY=VALUE`, `the keys are: ${RESOURCE_KEYS.join(', ')}`);
    limits = { ...limits, ...parseResource(key, text.slice(equals + 1)) };
  }
  return limits;
}

function parseResource(key: (typeof RESOURCE_KEYS)[number], value: string): ResourceLimits {
  const option = `--resource ${key}`;
  switch (key) {
    case 'memory':
      return { memory: parseSize(option, value) };
    case 'memory-swap':
      return { memorySwap: value === '-1' ? -1 : parseSize(option, value) };
    case 'cpu-shares':
      return { cpuShares: parseCount(option, value, 0) };
    case 'cpu-period':
      return { cpuPeriod: parseCount(option, value, 0) };
    case 'cpu-quota':
      return { cpuQuota: parseCount(option, value, -1) };
    case 'cpuset-cpus':
      return { cpusetCpus: parseCpuList(option, value) };
    case 'cpuset-mems':
      return { cpusetMems: parseCpuList(option, value) };
    default:
      return key satisfies never;
  }
}

function parseCount(option: string, text: string, lowest: number): number {
  const value = Number(text);
  if (/^-?\d+$/.test(text) && Number.isSafeInteger(value) && value >= lowest) return value;
  throw invalidOption(option, `"${text}": expected a whole number of at least ${lowest}`);
}

function parseCpuList(option: string, text: string): string {
  if (/^\d+(-\d+)?(,\d+(-\d+)?)*$/.test(text)) return text;
  throw invalidOption(option, `"${text}": expected a list such as 0-3 or 0,1`);
}
