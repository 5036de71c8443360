import { closeSync, writeSync } from 'node:fs';
import type { BytePath } from '../../src/core/byte-path.ts';
import { displayPath } from '../../src/core/byte-path.ts';
import type { DiffID } from '../../src/core/digest.ts';
import { SlipwayError } from '../../src/core/errors.ts';
import type { FileEntry } from '../../src/core/file-tree.ts';
import { BackgroundDigest } from '../content/background-digest.ts';
import type { TarEntry } from '../tar/tar-entry.ts';
import { TarReader, type TarVisitor } from '../tar/tar-reader.ts';
import { isZeros } from '../tar/zeros.ts';
import { blobTar } from './blob-tar.ts';
import { type LayerFolderOptions, LayerFolderWriter, type WrittenFolder } from './layer-folder-writer.ts';
import { parentOf, rootedPath } from './layer-path.ts';
import { AUFS_PREFIX, OPAQUE_NAME, WHITEOUT_PREFIX } from './whiteout-names.ts';

/**
 * Unpacks a layer's blob (a tar, or one compressed with gzip or zstd) into a folder in overlayfs's form. What does not have the digest
 * `diffId` when uncompressed is `SLIPWAY_LAYER_MISMATCH`. On any error the folder is the caller's to remove.
 */
export async function unpackLayer(
  blob: { readonly path: string; readonly diffId: DiffID },
  folder: LayerFolderOptions,
  signal: AbortSignal,
): Promise<WrittenFolder> {
  const writer = new LayerFolderWriter(folder);
  const visitor = new UnpackVisitor(writer);
  const reader = new TarReader(`the layer ${blob.diffId}`, visitor);
  const digest = new BackgroundDigest();
  try {
    for await (const chunk of blobTar(blob.path)) {
      signal.throwIfAborted();
      await digest.append(chunk);
      reader.write(chunk);
    }
    reader.end();
  } finally {
    visitor.close();
    await digest.flush();
  }
  const found = digest.finish();
  if (found !== blob.diffId)
    throw new SlipwayError(
      'SLIPWAY_LAYER_MISMATCH',
      `a layer is not what its image says: expected diffID ${blob.diffId}, got ${found}`,
      { hint: 'the image is damaged or was tampered with; pull it from somewhere else' },
    );
  return writer.finish();
}

/** Writes each entry of an archive as it comes. */
class UnpackVisitor implements TarVisitor {
  readonly #writer: LayerFolderWriter;
  #file: { readonly descriptor: number; readonly entry: FileEntry } | undefined;
  #place = 0;
  /** Where the last bytes that were written end. */
  #written = 0;

  constructor(writer: LayerFolderWriter) {
    this.#writer = writer;
  }

  entry(entry: TarEntry): void {
    const path = rootedPath(entry.path);
    const name = path.slice(path.lastIndexOf('/') + 1);
    if (name.startsWith(WHITEOUT_PREFIX)) this.#whiteout(path, name);
    else if (path !== '/') this.#present(path, entry);
    else if (entry.type !== 'dir') throw invalid(entry, 'is the root but no folder');
  }

  data(bytes: Buffer): void {
    if (this.#file === undefined) return;
    if (isZeros(bytes)) {
      this.#place += bytes.length;
      return;
    }
    for (let done = 0; done < bytes.length; ) {
      const written = writeSync(this.#file.descriptor, bytes, done, bytes.length - done, this.#place);
      done += written;
      this.#place += written;
    }
    this.#written = this.#place;
  }

  hole(length: number): void {
    this.#place += length;
  }

  entryEnd(): void {
    if (this.#file !== undefined) this.#writer.finishFile(this.#file.descriptor, this.#file.entry, this.#written);
    this.close();
  }

  /** Closes what an error left open. */
  close(): void {
    if (this.#file !== undefined) closeSync(this.#file.descriptor);
    this.#file = undefined;
  }

  #whiteout(path: BytePath, name: string): void {
    if (name === OPAQUE_NAME) {
      this.#writer.makeOpaque(parentOf(path));
      return;
    }
    if (name.startsWith(AUFS_PREFIX)) return;
    const removed = name.slice(WHITEOUT_PREFIX.length);
    if (removed === '' || removed === '.' || removed === '..')
      throw new SlipwayError(
        'SLIPWAY_LAYER_INVALID',
        `a layer has the whiteout ${displayPath(path)}, which names no file`,
      );
    this.#writer.remove(`${path.slice(0, -name.length)}${removed}` as BytePath);
  }

  #present(path: BytePath, entry: TarEntry): void {
    const { type } = entry;
    if (type === 'hardlink') {
      this.#writer.link(path, rootedPath(entry.target ?? ('' as BytePath)), entry);
      return;
    }
    const file: FileEntry = { ...entry, type };
    switch (type) {
      case 'file':
        this.#place = 0;
        this.#written = 0;
        this.#file = { descriptor: this.#writer.openFile(path, file), entry: file };
        return;
      case 'dir':
        this.#writer.folder(path, file);
        return;
      case 'symlink':
        this.#writer.symlink(path, file);
        return;
      case 'char':
      case 'block':
      case 'fifo':
        this.#writer.node(path, { ...file, type });
        return;
      default:
        throw new Error(`internal: tar type ${type satisfies never}`);
    }
  }
}

function invalid(entry: TarEntry, problem: string): SlipwayError {
  return new SlipwayError('SLIPWAY_LAYER_INVALID', `a layer's ${displayPath(entry.path).slice(0, 200)} ${problem}`);
}
