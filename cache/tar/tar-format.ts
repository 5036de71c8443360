/** Sizes and places in a tar header (POSIX.1-2017, pax, "ustar Interchange Format"). */
export const BLOCK = 512;

/** Offsets and lengths of the fields that every dialect shares, and of those of ustar. */
export const FIELD = {
  name: [0, 100],
  mode: [100, 8],
  uid: [108, 8],
  gid: [116, 8],
  size: [124, 12],
  mtime: [136, 12],
  checksum: [148, 8],
  type: [156, 1],
  target: [157, 100],
  magic: [257, 8],
  major: [329, 8],
  minor: [337, 8],
  prefix: [345, 155],
} as const;

/** Bytes from `size` up to the next block. */
export function paddingOf(size: number): number {
  return (BLOCK - (size % BLOCK)) % BLOCK;
}

/** The header's checksum: the sum of its bytes with the checksum field as spaces. `signed` is what some old writers did. */
export function checksumOf(bytes: Uint8Array, offset: number, kind: 'unsigned' | 'signed' = 'unsigned'): number {
  const [fieldStart, fieldLength] = FIELD.checksum;
  let sum = 0x20 * fieldLength;
  for (let index = 0; index < BLOCK; index++) {
    if (index === fieldStart) index += fieldLength;
    const byte = bytes[offset + index] as number;
    sum += kind === 'signed' && byte > 127 ? byte - 256 : byte;
  }
  return sum;
}
