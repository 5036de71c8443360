import type { BytePath } from '../../src/core/byte-path.ts';
import { encodePaxRecords } from './pax.ts';
import type { TarEntry, TarType } from './tar-entry.ts';
import { BLOCK, checksumOf, FIELD, paddingOf } from './tar-format.ts';

/** The bytes of one file while they are written into an archive. */
export interface TarContent extends Disposable {
  /** Fills the start of `into` with the next bytes and returns how many, at least one. Asked for exactly the entry's size. */
  read(into: Buffer): number;
}

export interface TarItem {
  readonly entry: TarEntry;
  /** For files of size above 0: called when the archive has come to their bytes, disposed when it is past them. */
  readonly open?: () => TarContent;
}

export interface TarOptions<Item extends TarItem = TarItem> {
  /** Room for the next chunk: a multiple of 512 bytes. The chunk that is yielded is (the start of) this buffer, and the taker's own. */
  readonly allocate: () => Buffer;
  /** Told of the bytes of files, before the chunk that has them is yielded: where they lie in it, and where in their file. */
  readonly onContent?: (content: PlacedContent<Item>) => void;
}

/** As many bytes of one file as came into one chunk. */
export interface PlacedContent<Item extends TarItem = TarItem> {
  readonly item: Item;
  readonly fileOffset: number;
  readonly chunk: Buffer;
  readonly start: number;
  readonly end: number;
}

const TYPE_FLAG: Readonly<Record<TarType, string>> = {
  file: '0',
  hardlink: '1',
  symlink: '2',
  char: '3',
  block: '4',
  dir: '5',
  fifo: '6',
};
const NOT_ASCII = /[^\u0001-\u007f]/;
const OCTAL_7 = 0o7777777;
const OCTAL_11 = 0o77777777777;
/** Another number means that the same items give other bytes than before. */
export const TAR_FORM = 1;
/** What ends an archive. */
export const TAR_TRAILER: Uint8Array = new Uint8Array(2 * BLOCK);

/**
 * A tar archive in chunks, in the order of `items`. The same items give the same bytes on every machine: ustar headers without
 * user and group names, PAX records only for what ustar cannot say (long or non-ASCII names, large numbers, xattrs). Paths
 * of folders get their trailing slash here. Content is read while iterating, so nothing but the current chunk is held.
 */
export function* writeTar<Item extends TarItem>(
  items: Iterable<Item>,
  options: TarOptions<Item>,
): Generator<Buffer, void> {
  yield* writeTarEntries(items, options);
  yield Buffer.from(TAR_TRAILER);
}

/** The same without the archive's end. */
export function* writeTarEntries<Item extends TarItem>(
  items: Iterable<Item>,
  options: TarOptions<Item>,
): Generator<Buffer, void> {
  let chunk = options.allocate();
  let used = 0;
  for (const item of items) {
    if (used === chunk.length) {
      yield chunk;
      [chunk, used] = [options.allocate(), 0];
    }
    const { entry } = item;
    const pax = paxRecordsOf(entry);
    if (pax !== undefined) {
      const header = paxHeader(entry, pax);
      for (let done = 0; done < header.length; ) {
        const copied = header.copy(chunk, used, done);
        done += copied;
        used += copied;
        if (used === chunk.length) {
          yield chunk;
          [chunk, used] = [options.allocate(), 0];
        }
      }
    }
    writeHeader(chunk, used, entry);
    used += BLOCK;

    if (entry.type !== 'file' || entry.size === 0) continue;
    using content = openContent(item);
    for (let done = 0; done < entry.size; ) {
      if (used === chunk.length) {
        yield chunk;
        [chunk, used] = [options.allocate(), 0];
      }
      const end = Math.min(chunk.length, used + entry.size - done);
      for (let at = used; at < end; ) at += content.read(chunk.subarray(at, end));
      options.onContent?.({ item, fileOffset: done, chunk, start: used, end });
      done += end - used;
      used = end;
    }
    const padding = paddingOf(entry.size);
    chunk.fill(0, used, used + padding);
    used += padding;
  }
  if (used > 0) yield chunk.subarray(0, used);
}

/** The bytes that the entry takes in the archive, headers and padding included. */
export function tarSizeOf(entry: TarEntry): number {
  const pax = paxRecordsOf(entry);
  const content = entry.type === 'file' ? entry.size + paddingOf(entry.size) : 0;
  return BLOCK + content + (pax === undefined ? 0 : paxHeader(entry, pax).length);
}

function openContent(item: TarItem): TarContent {
  if (item.open === undefined) throw new Error(`internal: no content for the file ${item.entry.path}`);
  return item.open();
}

function archivePath(entry: TarEntry): BytePath {
  return (entry.type === 'dir' ? `${entry.path}/` : entry.path) as BytePath;
}

/** What ustar cannot say; undefined for nearly every file. */
function paxRecordsOf(entry: TarEntry): Map<string, string> | undefined {
  let records: Map<string, string> | undefined;
  const add = (key: string, value: string) => {
    records ??= new Map();
    records.set(key, value);
  };
  const path = archivePath(entry);
  if (!fitsUstarPath(path)) add('path', path);
  if (entry.target !== undefined && (entry.target.length > FIELD.target[1] || NOT_ASCII.test(entry.target)))
    add('linkpath', entry.target);
  if (entry.size > OCTAL_11) add('size', String(entry.size));
  if (entry.uid > OCTAL_7) add('uid', String(entry.uid));
  if (entry.gid > OCTAL_7) add('gid', String(entry.gid));
  if (entry.mtime < 0 || entry.mtime > OCTAL_11) add('mtime', String(entry.mtime));
  if (entry.xattrs !== undefined) for (const [name, value] of entry.xattrs) add(`SCHILY.xattr.${name}`, value);
  return records;
}

function fitsUstarPath(path: string): boolean {
  if (NOT_ASCII.test(path)) return false;
  return path.length <= FIELD.name[1] || prefixEnd(path) !== undefined;
}

/** Where a long path may be cut into ustar's prefix and name: at a slash that belongs to neither. */
function prefixEnd(path: string): number | undefined {
  const [, nameLength] = FIELD.name;
  const [, prefixLength] = FIELD.prefix;
  const end = path.lastIndexOf('/', Math.min(prefixLength, path.length - 2));
  return end > 0 && path.length - end - 1 <= nameLength ? end : undefined;
}

function paxHeader(entry: TarEntry, records: ReadonlyMap<string, string>): Buffer {
  const body = encodePaxRecords(records);
  const header = Buffer.alloc(BLOCK + body.length + paddingOf(body.length));
  const base = entry.path.slice(entry.path.lastIndexOf('/') + 1);
  const name = `PaxHeaders.0/${base}`.replaceAll(/[^\u0020-\u007e]/g, '_').slice(0, FIELD.name[1]);
  writeFields(header, 0, {
    name,
    flag: 'x',
    entry: { ...entry, mode: 0o644, uid: 0, gid: 0, mtime: 0 },
    size: body.length,
  });
  body.copy(header, BLOCK);
  return header;
}

function writeHeader(into: Buffer, offset: number, entry: TarEntry): void {
  into.fill(0, offset, offset + BLOCK);
  const path = archivePath(entry);
  let name: string = path;
  if (path.length > FIELD.name[1]) {
    const end = NOT_ASCII.test(path) ? undefined : prefixEnd(path);
    if (end !== undefined) into.write(path.slice(0, end), offset + FIELD.prefix[0], 'latin1');
    name = end === undefined ? path.slice(0, FIELD.name[1]) : path.slice(end + 1);
  }
  if (entry.target !== undefined)
    into.write(entry.target.slice(0, FIELD.target[1]), offset + FIELD.target[0], 'latin1');
  if (entry.device !== undefined) {
    writeOctal(into, offset + FIELD.major[0], 7, entry.device.major);
    writeOctal(into, offset + FIELD.minor[0], 7, entry.device.minor);
  }
  writeFields(into, offset, {
    name,
    flag: TYPE_FLAG[entry.type],
    entry,
    size: entry.size > OCTAL_11 ? 0 : entry.size,
  });
}

interface HeaderFields {
  readonly name: string;
  readonly flag: string;
  readonly entry: Pick<TarEntry, 'mode' | 'uid' | 'gid' | 'mtime'>;
  readonly size: number;
}

function writeFields(into: Buffer, offset: number, { name, flag, entry, size }: HeaderFields): void {
  into.write(name, offset, 'latin1');
  writeOctal(into, offset + FIELD.mode[0], 7, entry.mode);
  writeOctal(into, offset + FIELD.uid[0], 7, entry.uid > OCTAL_7 ? 0 : entry.uid);
  writeOctal(into, offset + FIELD.gid[0], 7, entry.gid > OCTAL_7 ? 0 : entry.gid);
  writeOctal(into, offset + FIELD.size[0], 11, size);
  writeOctal(into, offset + FIELD.mtime[0], 11, entry.mtime < 0 || entry.mtime > OCTAL_11 ? 0 : entry.mtime);
  into.write(flag, offset + FIELD.type[0], 'latin1');
  into.write('ustar\u000000', offset + FIELD.magic[0], 'latin1');
  // Six digits, NUL, space: the checksum has a form of its own.
  writeOctal(into, offset + FIELD.checksum[0], 6, checksumOf(into, offset));
  into[offset + FIELD.checksum[0] + 7] = 0x20;
}

/** `digits` octal digits; the field's last byte is left at NUL. */
function writeOctal(into: Buffer, offset: number, digits: number, value: number): void {
  let rest = value;
  for (let index = offset + digits - 1; index >= offset; index--) {
    into[index] = 0x30 + (rest % 8);
    rest = Math.floor(rest / 8);
  }
}
