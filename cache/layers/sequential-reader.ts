import { fstatSync, readSync } from 'node:fs';
import { syscalls } from '../../src/core/syscalls.ts';

/** Fills the start of a buffer with the next bytes and says how many; 0 at the end. */
export type ReadNext = (into: Buffer) => number;

/** Smaller files are read whatever holes they have: asking takes as long. */
const SPARSE_FROM = 1024 * 1024;
/** What `blocks` of stat(2) counts. */
const STAT_BLOCK = 512;

/**
 * Reads an open file of `size` bytes from its start to its end. The holes of a sparse one are zeros that are not read, because for
 * these the kernel would fill as much of its cache.
 */
export function sequentialReader(descriptor: number, size: number): ReadNext {
  if (size >= SPARSE_FROM) {
    const stats = fstatSync(descriptor);
    if (stats.blocks * STAT_BLOCK < stats.size) return sparseReader(descriptor, stats.size);
  }
  return (into) => readSync(descriptor, into, 0, into.length, null);
}

function sparseReader(descriptor: number, size: number): ReadNext {
  let position = 0;
  let data = { start: 0, end: 0 };
  return (into) => {
    if (position === data.end && position < size) data = nextData(descriptor, position, size);
    const isHole = position < data.start;
    const length = Math.min(into.length, (isHole ? data.start : data.end) - position);
    if (isHole) into.fill(0, 0, length);
    const count = isHole ? length : readSync(descriptor, into, 0, length, position);
    position += count;
    return count;
  };
}

/** Where the file's next bytes lie that are in no hole, at its end where there are none. */
function nextData(
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
