import { closeSync, createReadStream, openSync, readdirSync, readFileSync, readSync, statSync } from 'node:fs';
import { join } from 'node:path';
import type { Readable } from 'node:stream';

/** The files of an OCI image layout, in a folder or in a tar. */
export interface LayoutFiles {
  /** Paths relative to the layout, in the order in which they were found. */
  readonly names: readonly string[];
  /** Bytes of a file; undefined where it is not there. */
  size(name: string): number | undefined;
  /** The whole of a small file. */
  read(name: string): Buffer;
  open(name: string): Readable;
}

/** Opens a layout for reading; a file is taken for a tar of it. */
export function openLayoutFiles(path: string): LayoutFiles {
  return statSync(path).isDirectory() ? folderFiles(path) : tarFiles(path);
}

function folderFiles(root: string): LayoutFiles {
  const entries = readdirSync(root, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile());
  const names = entries.map((entry) => join(entry.parentPath, entry.name).slice(root.length + 1));
  return {
    names,
    size: (name) => (names.includes(name) ? statSync(join(root, name)).size : undefined),
    read: (name) => readFileSync(join(root, name)),
    open: (name) => createReadStream(join(root, name)),
  };
}

interface Extent {
  readonly start: number;
  readonly size: number;
}

function tarFiles(archive: string): LayoutFiles {
  const { names, extents } = readExtents(archive);
  const extentOf = (name: string) => {
    const extent = extents.get(name);
    if (extent === undefined) throw new Error(`${archive} has no file ${name}`);
    return extent;
  };
  return {
    names,
    size: (name) => extents.get(name)?.size,
    read: (name) => readAt(archive, extentOf(name)),
    open: (name) => {
      const { start, size } = extentOf(name);
      // A range of no bytes cannot be said to createReadStream.
      return createReadStream(archive, size === 0 ? { start: 0, end: -1 } : { start, end: start + size - 1 });
    },
  };
}

const BLOCK = 512;

/** Where each file lies in the archive. Reads the headers alone, on its own: a fault of slipway's tar writer is not to hide itself. */
function readExtents(archive: string): {
  readonly names: readonly string[];
  readonly extents: ReadonlyMap<string, Extent>;
} {
  const names: string[] = [];
  const extents = new Map<string, Extent>();
  const total = statSync(archive).size;
  for (let offset = 0; offset + BLOCK <= total; ) {
    const header = readAt(archive, { start: offset, size: BLOCK });
    if (header.every((byte) => byte === 0)) break;
    checkSum(header, archive, offset);
    const size = numberAt(header, 124);
    const type = String.fromCharCode(header[156] ?? 0);
    const name = textAt(header, 0, 100);
    if (type === '0' || type === '\0') {
      names.push(name);
      extents.set(name, { start: offset + BLOCK, size });
    }
    offset += BLOCK + Math.ceil(size / BLOCK) * BLOCK;
  }
  return { names, extents };
}

function checkSum(header: Buffer, archive: string, offset: number): void {
  const written = Number.parseInt(textAt(header, 148, 8).trim(), 8);
  let sum = 0;
  for (let index = 0; index < BLOCK; index++) sum += index >= 148 && index < 156 ? 32 : (header[index] ?? 0);
  if (sum !== written)
    throw new Error(`${archive}: the header at byte ${offset} has the checksum ${written}, expected ${sum}`);
}

function numberAt(header: Buffer, offset: number): number {
  if (((header[offset] ?? 0) & 0x80) !== 0) return Number(header.readBigUInt64BE(offset + 4));
  return Number.parseInt(textAt(header, offset, 12).trim() || '0', 8);
}

function textAt(header: Buffer, offset: number, length: number): string {
  return header.toString('latin1', offset, offset + length).replace(/\0.*$/s, '');
}

function readAt(path: string, { start, size }: Extent): Buffer {
  const descriptor = openSync(path, 'r');
  try {
    const bytes = Buffer.alloc(size);
    const count = readSync(descriptor, bytes, 0, size, start);
    if (count !== size)
      throw new Error(`${path} ends at byte ${start + count}, expected at least ${start + size} bytes`);
    return bytes;
  } finally {
    closeSync(descriptor);
  }
}
