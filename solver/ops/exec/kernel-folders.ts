import { chmodSync, lstatSync, mkdirSync } from 'node:fs';
import type { WritableRoot } from '../../../src/core/executor.ts';

/**
 * Makes /dev, /proc and /sys where the root has none. Every other place of a mount goes with the container, but images that BuildKit builds
 * from scratch have these three from their first RUN on.
 */
export function makeKernelFolders({ lowerDirs, upperDir }: WritableRoot): void {
  for (const name of ['dev', 'proc', 'sys']) {
    const there = lowerDirs.findLast(
      (folder) => lstatSync(`${folder}/${name}`, { throwIfNoEntry: false }) !== undefined,
    );
    if (there !== undefined && !isWhiteout(`${there}/${name}`)) continue;
    mkdirSync(`${upperDir}/${name}`);
    // Apart, because the user's umask holds for mkdir(2).
    chmodSync(`${upperDir}/${name}`, 0o755);
  }
}

/** What overlayfs keeps in place of something that was removed: a device 0:0. */
function isWhiteout(path: string): boolean {
  const stat = lstatSync(path);
  return stat.isCharacterDevice() && stat.rdev === 0;
}
