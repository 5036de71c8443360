import type { Ulimit } from '../../core/executor.ts';
import { invalidOption } from './invalid-option.ts';

const NAMES = [
  'core',
  'cpu',
  'data',
  'fsize',
  'locks',
  'memlock',
  'msgqueue',
  'nice',
  'nofile',
  'nproc',
  'rss',
  'rtprio',
  'rttime',
  'sigpending',
  'stack',
];

/** `--ulimit NAME=SOFT[:HARD]`; -1 is unlimited. A later one of the same name replaces an earlier. */
export function parseUlimits(values: readonly string[]): readonly Ulimit[] {
  return [...new Map(values.map(parseUlimit).map((limit) => [limit.name, limit])).values()];
}

function parseUlimit(text: string): Ulimit {
  const match = /^([a-z]+)=(-1|\d+)(?::(-1|\d+))?$/.exec(text);
  if (match === null)
    throw invalidOption('--ulimit', `"${text}": expected NAME=SOFT[:HARD], for instance nofile=1024:4096`);
  const [, name = '', softText = '', hardText = softText] = match;
  if (!NAMES.includes(name))
    throw invalidOption('--ulimit', `"${text}": "${name}" is no limit`, `the limits are: ${NAMES.join(', ')}`);
  const [soft, hard] = [Number(softText), Number(hardText)];
  if (!Number.isSafeInteger(soft) || !Number.isSafeInteger(hard))
    throw invalidOption('--ulimit', `"${text}": the number is too large; -1 is unlimited`);
  if (hard !== -1 && (soft === -1 || soft > hard))
    throw invalidOption('--ulimit', `"${text}": the soft limit is above the hard limit`);
  return { name, soft, hard };
}
