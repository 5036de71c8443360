import { closeSync, openSync, readSync } from 'node:fs';
import type { ContentStore } from '../../cache/content/content-store.ts';
import { SlipwayError } from '../core/errors.ts';
import { type LayoutFile, storedBlob } from './layout.ts';
import { TAR_BLOCK, tarEnd, ustarHeader } from './ustar.ts';

const BUFFER_BYTES = 1024 * 1024; // 45 MB take 10 ms with it; larger buffers gain nothing

/**
 * A tar of the files with the folders above them, sorted by name, without owners and times, so that the same files give the same bytes.
 * The chunks share one buffer: a chunk is valid until the next is asked for.
 */
export function* layoutArchive(files: readonly LayoutFile[], content: ContentStore): Generator<Uint8Array> {
  const buffer = Buffer.allocUnsafe(BUFFER_BYTES);
  for (const folder of ['blobs/', 'blobs/sha256/'])
    yield ustarHeader({ name: folder, type: 'dir', mode: 0o755, size: 0 });
  for (const file of [...files].sort((a, b) => (a.path < b.path ? -1 : 1))) {
    if ('text' in file) yield* textEntry(file.path, file.text);
    else yield* blobEntry(file, content, buffer);
  }
  yield tarEnd();
}

function* textEntry(name: string, text: string): Generator<Uint8Array> {
  const bytes = Buffer.from(text);
  yield ustarHeader({ name, type: 'file', mode: 0o644, size: bytes.length });
  yield bytes;
  yield padding(bytes.length);
}

function* blobEntry(
  file: Extract<LayoutFile, { blob: unknown }>,
  content: ContentStore,
  buffer: Buffer,
): Generator<Uint8Array> {
  const descriptor = openSync(storedBlob(content, file.blob), 'r');
  try {
    yield ustarHeader({ name: file.path, type: 'file', mode: 0o444, size: file.size });
    let left = file.size;
    while (left > 0) {
      const count = readSync(descriptor, buffer, 0, Math.min(left, buffer.length), null);
      if (count === 0) throw truncated(file, left);
      left -= count;
      yield buffer.subarray(0, count);
    }
    yield padding(file.size);
  } finally {
    closeSync(descriptor);
  }
}

function truncated(file: Extract<LayoutFile, { blob: unknown }>, left: number): SlipwayError {
  return new SlipwayError(
    'SLIPWAY_STORE_DAMAGED',
    `blob ${file.blob} in the store has ${file.size - left} bytes, expected ${file.size}`,
    { hint: 'the blob was cut short after it was written; build again with --no-cache, or with another SLIPWAY_ROOT' },
  );
}

function padding(size: number): Uint8Array {
  return Buffer.alloc((TAR_BLOCK - (size % TAR_BLOCK)) % TAR_BLOCK);
}
