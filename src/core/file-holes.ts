import { fstatSync, type Stats } from 'node:fs';
import { syscalls } from './syscalls.ts';

/** In smaller files holes are not looked for: that takes as long as reading them. */
export const SPARSE_FROM = 1024 * 1024;
/** What `blocks` of stat(2) counts. */
const STAT_BLOCK = 512;

/** Whether it is worth looking for the holes of a regular file: not for those of a small one. */
export function hasHoles({ size, blocks }: Stats): boolean {
  return size >= SPARSE_FROM && blocks * STAT_BLOCK < size;
}

/** Where the next bytes of an open file of `size` bytes lie that are in no hole; at its end where there are none. */
export function nextData(
  descriptor: number,
  position: number,
  size: number,
): { readonly start: number; readonly end: number } {
  const { seek } = syscalls();
  // The last hole ends where the file does by now: one that was cut off must not be taken for zeros.
  const start = Math.max(position, Math.min(seek(descriptor, position, 'data') ?? fstatSync(descriptor).size, size));
  const end = start === size ? size : Math.min(seek(descriptor, start, 'hole') ?? size, size);
  return { start, end: Math.max(start, end) };
}
