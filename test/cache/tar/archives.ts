import type { TarEntry } from '../../../cache/tar/tar-entry.ts';
import { checksumOf } from '../../../cache/tar/tar-format.ts';
import { TarReader } from '../../../cache/tar/tar-reader.ts';
import { type TarItem, writeTar } from '../../../cache/tar/tar-writer.ts';
import type { BytePath } from '../../../src/core/byte-path.ts';

/** An entry as it was read, with its bytes. */
export type ReadEntry = TarEntry & { readonly bytes: string };

/** Reads an archive that is given in pieces of `pieceBytes`. */
export function readArchive(archive: Buffer, pieceBytes = archive.length): ReadEntry[] {
  const entries: ReadEntry[] = [];
  let current: TarEntry | undefined;
  let bytes: Buffer[] = [];
  const reader = new TarReader('the archive', {
    entry: (entry) => {
      current = entry;
      bytes = [];
    },
    data: (data) => void bytes.push(Buffer.from(data)),
    hole: (length) => void bytes.push(Buffer.alloc(length)),
    entryEnd: () => {
      if (current !== undefined) entries.push({ ...current, bytes: Buffer.concat(bytes).toString('latin1') });
    },
  });
  for (let offset = 0; offset < archive.length; offset += pieceBytes)
    reader.write(archive.subarray(offset, offset + pieceBytes));
  reader.end();
  return entries;
}

/** An item with defaults; `bytes` is its content. */
export function item(entry: Partial<Omit<TarEntry, 'path'>> & { readonly path: string }, bytes = ''): TarItem {
  const content = Buffer.from(bytes, 'latin1');
  const full: TarEntry = {
    type: 'file',
    mode: 0o644,
    uid: 0,
    gid: 0,
    mtime: 1_600_000_000,
    ...entry,
    size: content.length,
    path: entry.path as BytePath,
  };
  return {
    entry: full,
    open: () => {
      let done = 0;
      return {
        read: (into) => {
          const copied = content.copy(into, 0, done);
          done += copied;
          return copied;
        },
        [Symbol.dispose]: () => {},
      };
    },
  };
}

/** The whole archive of the items. */
export function archiveOf(items: readonly TarItem[], chunkBytes = 1024 * 1024): Buffer {
  return Buffer.concat([...writeTar(items, { allocate: () => Buffer.alloc(chunkBytes) })]);
}

/** What a hostile or old archive has in a header that our writer would not write. */
export interface RawHeader {
  readonly name?: string;
  readonly flag?: string;
  readonly size?: string | Buffer;
  readonly mode?: string;
  readonly uid?: string | Buffer;
  readonly mtime?: string | Buffer;
  readonly target?: string;
  readonly magic?: string;
  readonly prefix?: string;
  readonly major?: string;
  readonly minor?: string;
  /** Replaces the right checksum. */
  readonly checksum?: string;
  /** More bytes by their offset. */
  readonly at?: Readonly<Record<number, string | Buffer>>;
}

/** A header block, with its right checksum unless another is given. */
export function rawHeader(header: RawHeader): Buffer {
  const block = Buffer.alloc(512);
  const put = (value: string | Buffer, offset: number) => {
    Buffer.from(value as string, 'latin1').copy(block, offset);
  };
  put(header.name ?? 'file', 0);
  put(header.mode ?? '0000644\0', 100);
  put(header.uid ?? '0000000\0', 108);
  put('0000000\0', 116);
  put(header.size ?? '00000000000\0', 124);
  put(header.mtime ?? '00000000000\0', 136);
  put(header.flag ?? '0', 156);
  put(header.target ?? '', 157);
  put(header.magic ?? 'ustar\u000000', 257);
  put(header.major ?? '', 329);
  put(header.minor ?? '', 337);
  put(header.prefix ?? '', 345);
  for (const [offset, value] of Object.entries(header.at ?? {})) put(value, Number(offset));
  put(header.checksum ?? `${checksumOf(block, 0).toString(8).padStart(6, '0')}\0 `, 148);
  return block;
}

/** Bytes padded to a block. */
export function padded(bytes: string | Buffer): Buffer {
  const content = Buffer.from(bytes as string, 'latin1');
  return Buffer.concat([content, Buffer.alloc((512 - (content.length % 512)) % 512)]);
}

export function octal(size: number): string {
  return `${size.toString(8).padStart(11, '0')}\0`;
}

/** A PAX header with these records, of type `x` or `g`. */
export function paxHeader(records: readonly string[], flag = 'x'): Buffer {
  const body = records.map(paxRecord).join('');
  return Buffer.concat([rawHeader({ name: 'pax', flag, size: octal(body.length) }), padded(body)]);
}

function paxRecord(text: string): string {
  let length = text.length + 3;
  while (`${length} ${text}\n`.length !== length) length = `${length} ${text}\n`.length;
  return `${length} ${text}\n`;
}

export const TRAILER = Buffer.alloc(1024);
