import { errnoOf, SlipwayError } from './core/errors.ts';
import { describeSpace, isOutOfSpace } from './core/free-space.ts';

/** sqlite3.h: SQLITE_FULL. */
const SQLITE_FULL = 13;

/**
 * The error to show for one that a full disk caused: `SLIPWAY_DISK_FULL`, which says what could not be written and how much there is. Any other
 * error as it is. `root` is the store.
 */
export function withDiskFull(error: unknown, root: string): unknown {
  const cause = diskFullCause(error);
  if (cause === undefined) return error;
  const path = 'path' in cause && typeof cause.path === 'string' ? cause.path : undefined;
  const step =
    error instanceof SlipwayError && error.code === 'SLIPWAY_STEP_FAILED' ? error.message.split(': ')[0] : undefined;
  const what = path === undefined ? (step ?? 'the build') : path;
  const full = new SlipwayError(
    'SLIPWAY_DISK_FULL',
    `no space left on a disk: ${what} could not be written (${errnoOf(cause) ?? cause.message}); the store ${root} ${describeSpace(root)}`,
    {
      hint: 'make space there, or name a store on a larger disk with SLIPWAY_ROOT or --root; nothing of what failed is kept',
      cause: error,
    },
  );
  return error instanceof SlipwayError && error.source !== undefined ? full.at(error.source) : full;
}

function diskFullCause(error: unknown): Error | undefined {
  for (let one: unknown = error, depth = 0; one instanceof Error && depth < 10; one = one.cause, depth++) {
    if (one instanceof SlipwayError && one.code === 'SLIPWAY_DISK_FULL') return undefined;
    if (isOutOfSpace(one) || ('errcode' in one && one.errcode === SQLITE_FULL)) return one;
  }
  return undefined;
}
