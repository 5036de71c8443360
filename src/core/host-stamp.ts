import type { BigIntStats } from 'node:fs';
import type { FileType } from './file-tree.ts';
import { fileTypeOf, type HostStat, milliseconds } from './host-stat.ts';

/** How many words a stamp has. */
export const STAMP_WORDS = 16;

/**
 * What lstat(2) says of files, `STAMP_WORDS` words of 32 bits for each: exact to the last bit, compared as plain memory, and no object
 * for a file. All zero for what is not there.
 */
export type Stamps = Uint32Array;

/** Where the fields stand in a stamp. Of two words the lower one comes first; device numbers are 12 bits of major and 20 of minor. */
export const STAMP = {
  links: 0,
  uid: 1,
  gid: 2,
  mode: 3,
  ino: 4,
  size: 6,
  ctime: 8,
  ctimeNanoseconds: 10,
  mtime: 11,
  mtimeNanoseconds: 13,
  device: 14,
  dev: 15,
} as const;

const NO_DEVICE = { major: 0, minor: 0 };

/** Room for the stamps of so many files. */
export function makeStamps(count: number): Stamps {
  return new Uint32Array(count * STAMP_WORDS);
}

/** Whether the file was there. */
export function isPresentAt(stamps: Stamps, index: number): boolean {
  return stamps[index * STAMP_WORDS + STAMP.mode] !== 0;
}

/** The type of a file that is there. */
export function typeAt(stamps: Stamps, index: number): FileType {
  return fileTypeOf(stamps[index * STAMP_WORDS + STAMP.mode] ?? 0);
}

/** Whether the file has other names, too. Every folder has. */
export function isSharedAt(stamps: Stamps, index: number): boolean {
  return (stamps[index * STAMP_WORDS + STAMP.links] ?? 0) > 1;
}

/** Whether two stamps are of a file that did not change in between. */
export function isSameStamp(a: Stamps, indexA: number, b: Stamps, indexB: number): boolean {
  const atA = indexA * STAMP_WORDS;
  const atB = indexB * STAMP_WORDS;
  for (let word = 0; word < STAMP_WORDS; word++) if (a[atA + word] !== b[atB + word]) return false;
  return true;
}

/** One stamp of several. */
export function stampAt(stamps: Stamps, index: number): Stamps {
  return stamps.subarray(index * STAMP_WORDS, (index + 1) * STAMP_WORDS);
}

/** `dev` of `HostState`. */
export function deviceAt(stamps: Stamps, index: number): number {
  return stamps[index * STAMP_WORDS + STAMP.dev] ?? 0;
}

/** `ino` of `HostState`. */
export function inodeAt(stamps: Stamps, index: number): number {
  const at = index * STAMP_WORDS + STAMP.ino;
  return (stamps[at + 1] ?? 0) * 2 ** 32 + (stamps[at] ?? 0);
}

/** The size as the filesystem has it. */
export function sizeAt(stamps: Stamps, index: number): number {
  const at = index * STAMP_WORDS + STAMP.size;
  return (stamps[at + 1] ?? 0) * 2 ** 32 + (stamps[at] ?? 0);
}

/** `mtimeMs` of `HostState`. */
export function mtimeAt(stamps: Stamps, index: number): number {
  const at = index * STAMP_WORDS;
  return milliseconds(secondsAt(stamps, at + STAMP.mtime), stamps[at + STAMP.mtimeNanoseconds] ?? 0);
}

/** `ctimeMs` of `HostState`. */
export function ctimeAt(stamps: Stamps, index: number): number {
  const at = index * STAMP_WORDS;
  return milliseconds(secondsAt(stamps, at + STAMP.ctime), stamps[at + STAMP.ctimeNanoseconds] ?? 0);
}

/** What the stamp says of a file that is there. */
export function statAt(stamps: Stamps, index: number): HostStat {
  const at = index * STAMP_WORDS;
  const word = (field: number) => stamps[at + field] ?? 0;
  const mode = word(STAMP.mode);
  const type = fileTypeOf(mode);
  const dev = deviceAt(stamps, index);
  return {
    type,
    mode: mode & 0o7777,
    uid: word(STAMP.uid),
    gid: word(STAMP.gid),
    size: sizeAt(stamps, index),
    mtime: secondsAt(stamps, at + STAMP.mtime),
    mtimeMs: mtimeAt(stamps, index),
    ctimeMs: ctimeAt(stamps, index),
    dev,
    isPlain: false,
    ino: inodeAt(stamps, index),
    device: type === 'char' || type === 'block' ? deviceNumbers(word(STAMP.device)) : NO_DEVICE,
    sharedInode:
      type !== 'dir' && isSharedAt(stamps, index)
        ? `${dev}:${inodeText(word(STAMP.ino + 1), word(STAMP.ino))}`
        : undefined,
  };
}

/** What lstatSync gave, as the stamp at `index`. */
export function setStamp(into: Stamps, index: number, stats: BigIntStats): void {
  const at = index * STAMP_WORDS;
  const wide = (field: number, value: bigint) => {
    into[at + field] = Number(BigInt.asUintN(32, value));
    into[at + field + 1] = Number(BigInt.asUintN(32, value >> 32n));
  };
  const time = (field: number, nanoseconds: bigint) => {
    // Before 1970 the nanoseconds still count upwards.
    const rest = ((nanoseconds % SECOND) + SECOND) % SECOND;
    wide(field, (nanoseconds - rest) / SECOND);
    into[at + field + 2] = Number(rest);
  };
  into[at + STAMP.links] = Number(stats.nlink);
  into[at + STAMP.uid] = Number(stats.uid);
  into[at + STAMP.gid] = Number(stats.gid);
  into[at + STAMP.mode] = Number(stats.mode);
  wide(STAMP.ino, stats.ino);
  wide(STAMP.size, stats.size);
  time(STAMP.ctime, stats.ctimeNs);
  time(STAMP.mtime, stats.mtimeNs);
  into[at + STAMP.device] = packedDevice(stats.rdev);
  into[at + STAMP.dev] = packedDevice(stats.dev);
}

const SECOND = 1_000_000_000n;

function secondsAt(stamps: Stamps, at: number): number {
  return ((stamps[at + 1] ?? 0) | 0) * 2 ** 32 + (stamps[at] ?? 0);
}

/** The inode exactly: some filesystems use all 64 bits. */
function inodeText(high: number, low: number): string {
  return high === 0 ? String(low) : String((BigInt(high) << 32n) | BigInt(low));
}

function deviceNumbers(packed: number): { readonly major: number; readonly minor: number } {
  return { major: packed >>> 20, minor: packed & 0xfffff };
}

/** gnu_dev_major(3) and gnu_dev_minor(3), of which the kernel uses 12 and 20 bits. */
function packedDevice(number: bigint): number {
  const major = (number >> 8n) & 0xfffn;
  const minor = (number & 0xffn) | ((number >> 12n) & 0xfff00n);
  return Number((major << 20n) | minor);
}
