import { closeSync, openSync, readSync } from 'node:fs';

const CHUNK = 64 * 1024;

/** All bytes of a file, of a pipe, or of a device; undefined for more than `limit`, which are not read. Errors are those of open(2) and read(2). */
export function readUpTo(path: string, limit: number): Buffer | undefined {
  const fd = openSync(path, 'r');
  try {
    const chunks: Buffer[] = [];
    for (let left = limit; left >= 0; ) {
      const chunk = Buffer.allocUnsafe(Math.min(CHUNK, left + 1));
      const length = readSync(fd, chunk, 0, chunk.length, null);
      if (length === 0) return Buffer.concat(chunks);
      left -= length;
      chunks.push(chunk.subarray(0, length));
    }
    return undefined;
  } finally {
    closeSync(fd);
  }
}
