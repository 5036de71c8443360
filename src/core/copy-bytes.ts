import { constants, copyFileSync, fchmodSync, fchownSync, fstatSync } from 'node:fs';

/**
 * Puts the bytes of a file into an open one that is empty. The kernel copies them, or shares the blocks where the filesystem can. The open
 * file keeps its owner and mode: Node's copy gives it those of the source, as far as it may.
 */
export function copyBytes(from: string | Buffer, to: number): void {
  const before = fstatSync(to);
  copyFileSync(from, `/proc/self/fd/${to}`, constants.COPYFILE_FICLONE);
  const after = fstatSync(to);
  if (after.uid !== before.uid || after.gid !== before.gid) fchownSync(to, before.uid, before.gid);
  if (after.mode !== before.mode) fchmodSync(to, before.mode & 0o7777);
}
