import { lstatSync, readdirSync, type Stats } from 'node:fs';
import { errnoOf } from '../../src/core/errors.ts';

const BLOCK_BYTES = 512;

/** What the file or the folder with all in it takes on the disk, in bytes. What goes away meanwhile does not count. */
export function diskUsage(path: string): number {
  const seen = new Set<number>();
  const visit = (place: Buffer): number => {
    const stat = present(() => lstatSync(place));
    if (stat === undefined || isSeen(stat, seen)) return 0;
    const own = stat.blocks * BLOCK_BYTES;
    if (!stat.isDirectory()) return own;
    const names = present(() => readdirSync(place, { encoding: 'buffer' })) ?? [];
    return names.reduce((sum, name) => sum + visit(Buffer.concat([place, SLASH, name])), own);
  };
  return visit(Buffer.from(path));
}

const SLASH = Buffer.from('/');

/** A file of several names is there once. */
function isSeen({ nlink, ino }: Stats, seen: Set<number>): boolean {
  if (nlink === 1) return false;
  const isKnown = seen.has(ino);
  seen.add(ino);
  return isKnown;
}

function present<Result>(read: () => Result): Result | undefined {
  try {
    return read();
  } catch (error) {
    if (!['ENOENT', 'ENOTDIR'].includes(errnoOf(error) ?? '')) throw error;
    return undefined;
  }
}
