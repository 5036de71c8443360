/** Bytes of a tar block; every entry starts at a multiple of it. */
export const TAR_BLOCK = 512;

export interface UstarEntry {
  /** ASCII, at most 100 characters; a folder's ends with a slash. */
  readonly name: string;
  readonly type: 'file' | 'dir';
  readonly mode: number;
  readonly size: number;
}

const LARGEST_OCTAL = 0o77777777777;

/** The header block of a file or folder of root's without a time, in POSIX's ustar form; sizes above 8 GiB in GNU's binary form. */
export function ustarHeader({ name, type, mode, size }: UstarEntry): Uint8Array {
  if (name.length > 100) throw new Error(`internal: "${name}" is too long for a ustar header`);
  const header = Buffer.alloc(TAR_BLOCK);
  header.write(name, 0, 'latin1');
  writeOctal(header, mode, 100, 8);
  writeOctal(header, 0, 108, 8);
  writeOctal(header, 0, 116, 8);
  if (size > LARGEST_OCTAL) writeBinary(header, size, 124, 12);
  else writeOctal(header, size, 124, 12);
  writeOctal(header, 0, 136, 12);
  header.write(type === 'dir' ? '5' : '0', 156, 'latin1');
  header.write('ustar\u000000', 257, 'latin1');
  header.fill(' ', 148, 156);
  let sum = 0;
  for (const byte of header) sum += byte;
  header.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148, 'latin1');
  return header;
}

/** The two blocks of zeros that end an archive. */
export function tarEnd(): Uint8Array {
  return Buffer.alloc(2 * TAR_BLOCK);
}

function writeOctal(header: Buffer, value: number, offset: number, length: number): void {
  header.write(`${value.toString(8).padStart(length - 1, '0')}\0`, offset, 'latin1');
}

function writeBinary(header: Buffer, value: number, offset: number, length: number): void {
  header.writeBigUInt64BE(BigInt(value), offset + length - 8);
  header[offset] = 0x80;
}
