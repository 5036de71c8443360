import { fstatSync, readSync } from 'node:fs';
import { hasHoles, nextData, SPARSE_FROM } from '../../src/core/file-holes.ts';

/** Fills the start of a buffer with the next bytes and says how many; 0 at the end. */
export type ReadNext = (into: Buffer) => number;

/**
 * Reads an open file of `size` bytes from its start to its end. The holes of a sparse one are zeros that are not read, because for
 * these the kernel would fill as much of its cache.
 */
export function sequentialReader(descriptor: number, size: number): ReadNext {
  // Most files are small, and not looked at for it.
  if (size >= SPARSE_FROM) {
    const stats = fstatSync(descriptor);
    if (hasHoles(stats)) return sparseReader(descriptor, stats.size);
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
