import { type StatsFs, statfsSync } from 'node:fs';
import { errnoOf, SlipwayError } from './errors.ts';
import { formatBytes } from './format-bytes.ts';

/** With less than this, next to nothing can be written. */
const NOTHING = 64 * 1024;

/** What downloads leave free of a disk, for others: a hundredth, at most this. */
const RESERVE_LIMIT = 64 * 1024 ** 2;

/** Whether a disk has so little room left, or would have after `bytes` more, that nothing is to be downloaded to it. */
export function isNearlyFull(path: string, bytes = 0): boolean {
  const found = statfsOf(path);
  if (found === undefined) return false;
  const { bavail, bsize, blocks } = found;
  return bavail * bsize - bytes <= Math.min(RESERVE_LIMIT, (blocks * bsize) / 100);
}

/** `SLIPWAY_DISK_FULL` where the disk of `folder` has no room for the `bytes` that `what` (`pull x`) would bring. */
export function checkRoom(folder: string, bytes: number, what: string): void {
  if (!isNearlyFull(folder, bytes)) return;
  const size = bytes === 0 ? '' : ` (${formatBytes(bytes)})`;
  const message = `cannot ${what}: it would fill a disk${size}: that of ${folder} ${describeSpace(folder)}`;
  throw new SlipwayError('SLIPWAY_DISK_FULL', message, {
    hint: 'make space there, or name a store on a larger disk with SLIPWAY_ROOT or --root; nothing of it is kept',
  });
}

/** `has 12.00kB free of 8.39MB and 120 files to give`: what the disk of a path has. */
export function describeSpace(path: string): string {
  const found = statfsOf(path);
  if (found === undefined) return 'could not be looked at';
  const { bavail, bsize, blocks, ffree } = found;
  return `has ${formatBytes(bavail * bsize)} free of ${formatBytes(blocks * bsize)} and ${ffree} files to give`;
}

/** Whether the disk of a path has no room, for bytes or for files. */
export function isDiskFull(path: string): boolean {
  const found = statfsOf(path);
  if (found === undefined) return false;
  // Some filesystems do not count files, and say 0 of 0.
  return found.bavail * found.bsize < NOTHING || (found.files > 0 && found.ffree === 0);
}

/** Whether a system call failed because a disk, or what the user may have of it, is full. */
export function isOutOfSpace(error: unknown): boolean {
  const errno = errnoOf(error);
  return errno === 'ENOSPC' || errno === 'EDQUOT';
}

function statfsOf(path: string): StatsFs | undefined {
  try {
    return statfsSync(path);
  } catch (error) {
    if (errnoOf(error) !== 'ENOENT') throw error;
    return undefined;
  }
}
