import { closeSync, constants, fstatSync, ftruncateSync, mkdirSync, openSync, writeSync } from 'node:fs';
import type { BytePath } from '../../src/core/byte-path.ts';
import type { TreeContent } from '../layers/layer-store.ts';
import type { TarEntry } from '../tar/tar-entry.ts';
import type { TarVisitor } from '../tar/tar-reader.ts';
import { isZeros } from '../tar/zeros.ts';

/** An entry of an archive, and where the bytes of a regular file were put. */
export interface ArchiveFile {
  readonly entry: TarEntry;
  readonly content?: TreeContent;
}

/**
 * Takes the files of an archive apart: bytes go to files with numbers for names in one private folder, so that nothing an archive
 * calls its files ever reaches the filesystem; entries go to `onFile` in the archive's order. Holes stay holes, and long stretches of zeros become some.
 */
export function archiveFiles(folder: string, onFile: (file: ArchiveFile) => void): TarVisitor & Disposable {
  let count = 0;
  let current: TarEntry | undefined;
  let descriptor: number | undefined;
  let place = 0;
  return {
    entry: (entry) => {
      current = entry;
      if (entry.type !== 'file') return;
      if (count === 0) mkdirSync(folder, { recursive: true, mode: 0o700 });
      descriptor = openSync(
        `${folder}/${count++}`,
        constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | constants.O_NOFOLLOW,
        0o600,
      );
      place = 0;
    },
    data: (bytes) => {
      if (descriptor === undefined) throw new Error('internal: bytes of no file');
      if (isZeros(bytes)) {
        place += bytes.length;
        return;
      }
      for (let written = 0; written < bytes.length; ) {
        const length = writeSync(descriptor, bytes, written, bytes.length - written, place);
        written += length;
        place += length;
      }
    },
    hole: (length) => {
      place += length;
    },
    entryEnd: () => {
      if (current === undefined) throw new Error('internal: the end of no entry');
      if (descriptor === undefined) {
        onFile({ entry: current });
        return;
      }
      ftruncateSync(descriptor, current.size);
      const { mtimeMs } = fstatSync(descriptor);
      closeSync(descriptor);
      descriptor = undefined;
      onFile({ entry: current, content: { kind: 'host', path: `${folder}/${count - 1}` as BytePath, mtimeMs } });
    },
    [Symbol.dispose]: () => {
      if (descriptor !== undefined) closeSync(descriptor);
      descriptor = undefined;
    },
  };
}
