/** Less is not worth a hole: filesystems keep whole blocks. */
const SMALLEST_HOLE = 4096;
const ZEROS = Buffer.alloc(1024 * 1024);

/**
 * Whether bytes of a file are better left out as a hole: no fewer than a block of them, and all zero. A disk is not filled by an archive
 * of zeros so, and files that were sparse once become so again. Costs nothing for bytes that begin or end otherwise.
 */
export function isZeros(bytes: Buffer): boolean {
  if (bytes.length < SMALLEST_HOLE || bytes[0] !== 0 || bytes.at(-1) !== 0) return false;
  for (let start = 0; start < bytes.length; start += ZEROS.length) {
    const part = bytes.subarray(start, start + ZEROS.length);
    if (part.compare(ZEROS, 0, part.length) !== 0) return false;
  }
  return true;
}
