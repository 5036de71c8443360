import { closeSync, constants, openSync, rmdirSync, unlinkSync } from 'node:fs';
import { loadKoffi } from '../src/core/load-koffi.ts';

/** How many places are tried: each costs a millisecond or two where the filesystem searches, a wrong one seconds. */
const PLACES = 24;
const PROBES = 3;
/** Making a file takes about 0.01 ms, and 0.2 to 0.5 where the filesystem searches, in milliseconds. */
const SEARCHING = 0.08;

/**
 * Makes a new folder at a place of the disk where files are made quickly, and gives its path: one of those that `make` made. ext4 without a journal looks at all inodes that were deleted in the last minutes when it makes a file near
 * them, which takes forty times as long: a layer of 20,000 files 10 s instead of 0.4 s. The folders must be
 * those of a folder of `spreadSubfolders`, so that each has another place.
 */
export function makeQuickFolder(make: () => string): string {
  const slow: string[] = [];
  try {
    for (;;) {
      const path = make();
      if (fastestFile(path) < SEARCHING || slow.length === PLACES - 1) return path;
      slow.push(path);
    }
  } finally {
    // Not before: ext4 prefers places with few folders, and would come back to one that has been left.
    for (const path of slow) rmdirSync(path);
  }
}

/** The shortest time that a file took to be made: the first may read the disk, and any may wait for a processor. */
function fastestFile(folder: string): number {
  const file = `${folder}/probe`;
  let fastest = Number.POSITIVE_INFINITY;
  for (let probe = 0; probe < PROBES; probe++) {
    const start = performance.now();
    closeSync(openSync(file, 'wx', 0o600));
    fastest = Math.min(fastest, performance.now() - start);
    unlinkSync(file);
  }
  return fastest;
}

/** FS_IOC_GETFLAGS, FS_IOC_SETFLAGS and FS_TOPDIR_FL of linux/fs.h. */
const GET_FLAGS = 0x80086601;
const SET_FLAGS = 0x40086602;
const TOP_OF_HIERARCHIES = 0x00020000;

/**
 * Says that the folder's subfolders have nothing to do with each other (chattr(1), `T`): ext4 then puts each wherever there is most
 * room, instead of all near the folder. Filesystems without such a flag stay as they are.
 */
export function spreadSubfolders(path: string): void {
  const ioctl = loadKoffi().load('libc.so.6').func('int ioctl(int, ulong, _Inout_ uint32_t*)');
  const descriptor = openSync(path, constants.O_RDONLY | constants.O_DIRECTORY);
  try {
    // The calls are declared with a long, and use half of it.
    const flags = new Uint32Array(2);
    if (ioctl(descriptor, GET_FLAGS, flags) < 0) return;
    flags[0] = (flags[0] ?? 0) | TOP_OF_HIERARCHIES;
    ioctl(descriptor, SET_FLAGS, flags);
  } finally {
    closeSync(descriptor);
  }
}
