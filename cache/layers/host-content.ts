import { closeSync, constants, fstatSync, openSync } from 'node:fs';
import { type BytePath, displayPath, hostPath } from '../../src/core/byte-path.ts';
import { errnoOf, SlipwayError } from '../../src/core/errors.ts';
import { deviceOf } from '../../src/core/host-stat.ts';
import type { TarContent } from '../tar/tar-writer.ts';
import type { Inode } from './layer-store.ts';
import { sequentialReader } from './sequential-reader.ts';

/** A file of this machine that must still be what it was when its entry was made. */
export interface HostFile {
  readonly path: BytePath;
  readonly size: number;
  readonly mtimeMs: number;
  /** Undefined where only this process can write to the file's folders. */
  readonly inode?: Inode | undefined;
}

/**
 * Opens the file without following a symlink and checks that it is the one that was seen; the caller closes the descriptor.
 * `SLIPWAY_CONTEXT_CHANGED` where it is gone, no regular file any more, or has another size or mtime.
 */
export function openHostFile(file: HostFile): number {
  const descriptor = openRegular(file);
  try {
    checkUnchanged(descriptor, file);
  } catch (error) {
    closeSync(descriptor);
    throw error;
  }
  return descriptor;
}

/** `SLIPWAY_CONTEXT_CHANGED` where the open file is not as it was seen. */
export function checkUnchanged(descriptor: number, file: HostFile): void {
  const stats = fstatSync(descriptor);
  if (!stats.isFile() || stats.size !== file.size || stats.mtimeMs !== file.mtimeMs) throw hostFileChanged(file);
  // Whoever may write to a folder on the way may have made the path lead to a file that the user can read and they cannot.
  if (file.inode !== undefined && (stats.ino !== file.inode.ino || deviceOf(stats.dev) !== file.inode.dev))
    throw hostFileChanged(file);
}

/** The file's bytes for an archive, checked before the first and after the last. */
export function openHostContent(file: HostFile): TarContent {
  const descriptor = openHostFile(file);
  const readNext = sequentialReader(descriptor, file.size);
  let left = file.size;
  return {
    read(into) {
      const read = readNext(into);
      if (read === 0) throw hostFileChanged(file);
      left -= read;
      // A small file came in one call; over a longer time somebody may have written to it.
      if (left === 0 && read < file.size) checkUnchanged(descriptor, file);
      return read;
    },
    [Symbol.dispose]: () => closeSync(descriptor),
  };
}

/** O_NONBLOCK: a fifo that took the file's place must not make the build wait for a writer. */
const FLAGS = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK;

function openRegular(file: HostFile): number {
  try {
    return openSync(hostPath(file.path), FLAGS);
  } catch (error) {
    const errno = errnoOf(error);
    if (errno === 'ENOENT' || errno === 'ELOOP' || errno === 'ENOTDIR' || errno === 'ENXIO')
      throw hostFileChanged(file, error);
    if (errno !== 'EACCES' && errno !== 'EPERM') throw error;
    throw new SlipwayError('SLIPWAY_CONTEXT_UNREADABLE', `cannot read ${displayPath(file.path)}: permission denied`, {
      hint: 'make the file readable, or exclude it with .dockerignore',
      cause: error,
    });
  }
}

/** `SLIPWAY_CONTEXT_CHANGED` */
export function hostFileChanged(file: HostFile, cause?: unknown): SlipwayError {
  return new SlipwayError(
    'SLIPWAY_CONTEXT_CHANGED',
    `${displayPath(file.path)} changed while the build was reading it: expected a regular file of ${file.size} bytes as it was seen first`,
    { hint: 'build again once nothing writes to the context', ...(cause === undefined ? {} : { cause }) },
  );
}
