import { BLOCK, checksumOf, FIELD } from './tar-format.ts';

/** A header block as it stands, before extended headers change what it says. Texts are bytes in latin1. */
export interface TarHeader {
  readonly dialect: 'posix' | 'gnu' | 'v7';
  /** The type flag; NUL as in old archives is `\0`. */
  readonly flag: string;
  /** With ustar's prefix. */
  readonly name: string;
  readonly target: string;
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  readonly size: number;
  readonly mtime: number;
}

/** What GNU tar has in the place of the prefix, where it keeps more times: the first of them, as it writes it. Some readers take anything for a prefix. */
const ACCESS_TIME = /^[0-7]{11}( |$)/;

/** Says what is wrong with a header; never returns. */
export type Refuse = (problem: string) => never;

/** Whether a block is all zero: two of them end an archive. */
export function isZeroBlock(bytes: Buffer, offset: number): boolean {
  // The first byte of a header's name is nearly never NUL, so this usually ends at once.
  for (let index = offset; index < offset + BLOCK; index++) if (bytes[index] !== 0) return false;
  return true;
}

/** Reads the header block at `offset`: the fields of POSIX ustar, of GNU tar's older format, or of version 7. */
export function parseTarHeader(bytes: Buffer, offset: number, refuse: Refuse): TarHeader {
  const checksum = numberAt(bytes, offset, 'checksum', refuse);
  if (checksum !== checksumOf(bytes, offset) && checksum !== checksumOf(bytes, offset, 'signed'))
    refuse('the header checksum is wrong');
  const dialect = dialectOf(bytes, offset);
  const written = textAt(bytes, offset, 'prefix');
  if (dialect === 'v7' && written !== '')
    refuse('a header of no known format has something where others have a prefix');
  if (dialect === 'gnu' && written !== '' && !ACCESS_TIME.test(written))
    refuse('a header of GNU tar has something that is no time where others have a prefix');
  const prefix = dialect === 'posix' ? written : '';
  const name = textAt(bytes, offset, 'name');
  return {
    dialect,
    flag: bytes.toString('latin1', offset + FIELD.type[0], offset + FIELD.type[0] + 1),
    name: prefix === '' ? name : `${prefix}/${name}`,
    target: textAt(bytes, offset, 'target'),
    mode: natural(bytes, offset, 'mode', refuse) & 0o7777,
    uid: natural(bytes, offset, 'uid', refuse),
    gid: natural(bytes, offset, 'gid', refuse),
    size: natural(bytes, offset, 'size', refuse),
    mtime: numberAt(bytes, offset, 'mtime', refuse),
  };
}

/** The device numbers of a header, which only those of device nodes need to have right. */
export function parseTarDevice(bytes: Buffer, offset: number, refuse: Refuse): { major: number; minor: number } {
  return { major: natural(bytes, offset, 'major', refuse), minor: natural(bytes, offset, 'minor', refuse) };
}

function dialectOf(bytes: Buffer, offset: number): TarHeader['dialect'] {
  const start = offset + FIELD.magic[0];
  const magic = bytes.toString('latin1', start, start + FIELD.magic[1]);
  if (magic.startsWith('ustar\0')) return 'posix';
  return magic === 'ustar  \0' ? 'gnu' : 'v7';
}

type Field = keyof typeof FIELD;

function textAt(bytes: Buffer, offset: number, field: Field): string {
  const [start, length] = FIELD[field];
  const text = bytes.toString('latin1', offset + start, offset + start + length);
  const end = text.indexOf('\0');
  return end < 0 ? text : text.slice(0, end);
}

function natural(bytes: Buffer, offset: number, field: Field, refuse: Refuse): number {
  const value = numberAt(bytes, offset, field, refuse);
  return value < 0 ? refuse(`the ${field} is negative`) : value;
}

function numberAt(bytes: Buffer, offset: number, field: Field, refuse: Refuse): number {
  const [start, length] = FIELD[field];
  return parseTarNumber(bytes, offset + start, length) ?? refuse(`the ${field} is no number that can be represented`);
}

/**
 * A numeric field: octal digits between spaces and NULs, or GNU tar's base-256 (two's complement with the top bit set). Undefined where
 * it is neither, or beyond 2^53.
 */
export function parseTarNumber(bytes: Buffer, start: number, length: number): number | undefined {
  if (((bytes[start] as number) & 0x80) !== 0) return parseBase256(bytes, start, length);
  let [first, end] = [start, start + length];
  while (first < end && isFiller(bytes[first])) first++;
  while (end > first && isFiller(bytes[end - 1])) end--;
  let value = 0;
  for (let index = first; index < end; index++) {
    const digit = (bytes[index] as number) - 0x30;
    if (digit < 0 || digit > 7) return undefined;
    value = value * 8 + digit;
  }
  return value;
}

function isFiller(byte: number | undefined): boolean {
  return byte === 0x20 || byte === 0;
}

function parseBase256(bytes: Buffer, start: number, length: number): number | undefined {
  const negative = ((bytes[start] as number) & 0x40) !== 0;
  let value = BigInt((bytes[start] as number) & 0x3f);
  for (let index = start + 1; index < start + length; index++) value = (value << 8n) | BigInt(bytes[index] as number);
  if (negative) value -= 1n << BigInt(length * 8 - 2);
  return Number.isSafeInteger(Number(value)) ? Number(value) : undefined;
}
