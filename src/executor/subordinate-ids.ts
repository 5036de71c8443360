import { readFileSync } from 'node:fs';
import { errnoOf, SlipwayError } from '../core/errors.ts';

/** Ids `first` to `first + count - 1` of the machine, which a user may use in user namespaces (subuid(5), subgid(5)). */
export interface IdRange {
  readonly first: number;
  readonly count: number;
}

/** Images use ids up to 65534 (nobody), so fewer are of little use. */
const NEEDED = 65536;

/**
 * The ranges that /etc/subuid or /etc/subgid (`kind`) give to the user, by name or number. `SLIPWAY_SUBIDS_MISSING` where they
 * are not enough for the ids 1 to 65535 of a container.
 */
export function subordinateIds(
  kind: 'subuid' | 'subgid',
  user: { readonly name: string; readonly uid: number },
): IdRange[] {
  const ranges = parseRanges(readText(`/etc/${kind}`), user);
  const found = ranges.reduce((sum, range) => sum + range.count, 0);
  if (found >= NEEDED - 1) return ranges;
  const option = kind === 'subuid' ? '--add-subuids' : '--add-subgids';
  throw new SlipwayError(
    'SLIPWAY_SUBIDS_MISSING',
    `building without root needs ${NEEDED} subordinate ids for ${user.name} in /etc/${kind}, found ${found}`,
    {
      hint: `run: sudo usermod ${option} 100000-${100000 + NEEDED - 1} ${user.name} (another range where these are taken)`,
    },
  );
}

/** Lines `user:first:count`; others are passed over, as newuidmap(1) does. */
export function parseRanges(text: string, user: { readonly name: string; readonly uid: number }): IdRange[] {
  return text.split('\n').flatMap((line) => {
    const [owner, first = '', count = ''] = line.trim().split(':');
    if (owner !== user.name && owner !== String(user.uid)) return [];
    return /^\d+$/.test(first) && /^\d+$/.test(count) ? [{ first: Number(first), count: Number(count) }] : [];
  });
}

/** Arguments of newuidmap(1) and newgidmap(1): the caller's own id becomes 0, the ranges what follows. */
export function mapArguments(own: number, ranges: readonly IdRange[]): string[] {
  let next = 1;
  const rest = ranges.map(({ first, count }) => {
    const line = [next, first, count];
    next += count;
    return line;
  });
  return [[0, own, 1], ...rest].flat().map(String);
}

function readText(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return '';
    throw error;
  }
}
