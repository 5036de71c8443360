import { constants, createReadStream, openSync, readSync } from 'node:fs';
import { archiveFiles } from '../../../cache/tar/archive-files.ts';
import { decompress, detectCompression, MAGIC_BYTES } from '../../../cache/tar/decompress.ts';
import { readTar, type TarVisitor } from '../../../cache/tar/tar-reader.ts';
import { type BytePath, displayPath, hostPath } from '../../../src/core/byte-path.ts';
import { SlipwayError } from '../../../src/core/errors.ts';
import { ArchiveWriter } from './archive-writer.ts';
import { type Ids, makeFolders, resolveInRoot } from './copy-files.ts';
import { cleanComponents } from './file-pattern.ts';
import type { WorkingTree } from './working-tree.ts';

const FOLDER_MODE = 0o755;

export interface UnpackOptions {
  readonly tree: WorkingTree;
  /** Owns everything that is unpacked; undefined takes the archive's owners. */
  readonly owner: Ids | undefined;
  /** Modification time of folders that the archive does not have, seconds since 1970. */
  readonly now: number;
  /** Gives a path that does not exist yet, where the archive's bytes are kept for as long as the layer needs them. */
  readonly temporaryPath: () => string;
  readonly signal: AbortSignal;
}

/**
 * ADD of a local archive: unpacks it into the destination, which becomes a folder. Resolves to false, with nothing done, for a file
 * that is no tar archive, compressed or not: that is copied. What breaks after the first entry is an error, as in BuildKit.
 */
export async function unpackArchive(path: BytePath, destination: string, options: UnpackOptions): Promise<boolean> {
  const archive = displayPath(path.slice(path.lastIndexOf('/') + 1) as BytePath);
  let writer: ArchiveWriter | undefined;
  using files = archiveFiles(options.temporaryPath(), (file) => {
    writer ??= startWriter(archive, destination, options);
    writer.write(file);
  });
  let isArchive = false;
  const visitor: TarVisitor = {
    ...files,
    entry: (entry) => {
      isArchive = true;
      files.entry(entry);
    },
  };
  try {
    await readTar(readArchive(path, archive), visitor, { archive, signal: options.signal });
  } catch (error) {
    if (!isArchive && isNoArchive(error)) return false;
    throw error;
  }
  return isArchive;
}

function startWriter(archive: string, destination: string, { tree, owner, now }: UnpackOptions): ArchiveWriter {
  const folder = resolveInRoot(tree, `/${cleanComponents(destination).join('/')}`);
  makeFolders(tree, folder, { parentMode: FOLDER_MODE, owner, now });
  return new ArchiveWriter(archive, folder, { tree, owner, now });
}

async function* readArchive(path: BytePath, archive: string): AsyncGenerator<Uint8Array> {
  const fd = openSync(hostPath(path), constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  const stream = createReadStream('', { fd, start: 0, highWaterMark: 1024 * 1024 });
  try {
    const head = Buffer.alloc(MAGIC_BYTES);
    const length = readSync(fd, head, 0, MAGIC_BYTES, 0);
    yield* decompress(stream, detectCompression(head.subarray(0, length)), archive);
  } finally {
    stream.destroy();
  }
}

function isNoArchive(error: unknown): boolean {
  return (
    error instanceof SlipwayError && (error.code === 'SLIPWAY_TAR_INVALID' || error.code === 'SLIPWAY_ARCHIVE_INVALID')
  );
}
