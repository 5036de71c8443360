import { createHash, hash } from 'node:crypto';
import { closeSync } from 'node:fs';
import { displayPath } from '../src/core/byte-path.ts';
import { SlipwayError } from '../src/core/errors.ts';
import type { HostFile } from './file-digests.ts';
import { checkUnchanged, openHostFile } from './layers/host-content.ts';
import { sequentialReader } from './layers/sequential-reader.ts';

const BUFFER_BYTES = 1024 * 1024;

/**
 * Gives the SHA-256 of a file's bytes, 64 hex digits. It reads the very file that was looked at: another one in its place, or a growing
 * one, is `SLIPWAY_CONTEXT_CHANGED`. `look` is given the open file first.
 */
export type HashFile = (file: HostFile, look?: (descriptor: number) => void) => string;

/** A function with a buffer of its own. */
export function fileHasher(): HashFile {
  const buffer = Buffer.allocUnsafeSlow(BUFFER_BYTES);
  return (file, look) => readAndHash(file, buffer, look);
}

function readAndHash({ path, size, state }: HostFile, buffer: Buffer, look?: (descriptor: number) => void): string {
  const seen = { path, size, mtimeMs: state.mtimeMs, inode: state };
  const descriptor = openHostFile(seen);
  try {
    look?.(descriptor);
    const readNext = sequentialReader(descriptor, size);
    let count = readNext(buffer);
    if (count === size && count < buffer.length) return hash('sha256', buffer.subarray(0, count), 'hex');
    const running = createHash('sha256');
    let total = 0;
    for (; count > 0 && total <= size; count = readNext(buffer)) {
      running.update(buffer.subarray(0, count));
      total += count;
    }
    checkUnchanged(descriptor, seen);
    if (total !== size) throw changed(path);
    return running.digest('hex');
  } finally {
    closeSync(descriptor);
  }
}

/** The error for a file that is not what it was when it was looked at. */
export function changed(path: HostFile['path']): SlipwayError {
  return new SlipwayError('SLIPWAY_CONTEXT_CHANGED', `${displayPath(path)} changed while the build was reading it`, {
    hint: 'build again once nothing writes to the context',
  });
}
