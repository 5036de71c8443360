import { createReadStream, readSync } from 'node:fs';
import { SlipwayError } from '../../src/core/errors.ts';
import { type HostFile, openHostFile } from '../layers/host-content.ts';
import { decompress, detectCompression, MAGIC_BYTES } from '../tar/decompress.ts';
import { readTar, type TarVisitor } from '../tar/tar-reader.ts';
import { type ArchiveFile, archiveFiles } from './archive-files.ts';

/** The bytes of what may be an archive. */
export interface ArchiveSource {
  /** For messages. */
  readonly name: string;
  /** The first bytes, `MAGIC_BYTES` or more where there are so many; `bytes` has them too. */
  readonly head: Uint8Array;
  readonly bytes: AsyncIterable<Uint8Array>;
}

export interface UnpackOptions {
  /** A folder that does not exist yet, for the bytes of the files. It is not made for an archive without any. */
  readonly folder: string;
  readonly signal: AbortSignal;
}

const CHUNK_BYTES = 1024 * 1024;

/**
 * Reads a tar archive, packed with gzip, bzip2, xz or zstd or not at all, and gives its files to `onFile` in order. Resolves to false, with
 * nothing done, where the bytes are no such archive. What breaks after the first entry is an error.
 */
export async function unpackArchive(
  source: ArchiveSource,
  onFile: (file: ArchiveFile) => void,
  { folder, signal }: UnpackOptions,
): Promise<boolean> {
  using files = archiveFiles(folder, onFile);
  let isArchive = false;
  const visitor: TarVisitor = {
    ...files,
    entry: (entry) => {
      isArchive = true;
      files.entry(entry);
    },
  };
  const tar = decompress(source.bytes, detectCompression(source.head), source.name);
  try {
    await readTar(tar, visitor, { archive: source.name, signal });
  } catch (error) {
    if (isArchive || !isNoArchive(error)) throw error;
  }
  return isArchive;
}

/** A file of this machine as the source of an archive, `name` in messages: just the one that was seen, or `SLIPWAY_CONTEXT_CHANGED`. */
export async function unpackFile(
  file: HostFile & { readonly name: string },
  onFile: (file: ArchiveFile) => void,
  options: UnpackOptions,
): Promise<boolean> {
  const fd = openHostFile(file);
  const bytes = createReadStream('', { fd, start: 0, highWaterMark: CHUNK_BYTES });
  try {
    const head = Buffer.alloc(MAGIC_BYTES);
    const length = readSync(fd, head, 0, MAGIC_BYTES, 0);
    return await unpackArchive({ name: file.name, head: head.subarray(0, length), bytes }, onFile, options);
  } finally {
    bytes.destroy();
  }
}

function isNoArchive(error: unknown): boolean {
  return (
    error instanceof SlipwayError && (error.code === 'SLIPWAY_TAR_INVALID' || error.code === 'SLIPWAY_ARCHIVE_INVALID')
  );
}
