import { closeSync, createReadStream, openSync, readSync } from 'node:fs';
import { SlipwayError } from '../../src/core/errors.ts';
import { decompress, detectCompression, MAGIC_BYTES } from '../tar/decompress.ts';

/** Large enough that the calls between threads do not count: 16 KiB, the default, halves the speed. */
const CHUNK = 256 * 1024;

/**
 * The uncompressed tar of a blob file. How it is compressed its first bytes say: a blob's media type is not believed, because some writers
 * get it wrong. `SLIPWAY_BLOB_CORRUPT` for damaged data.
 */
export async function* blobTar(path: string): AsyncGenerator<Buffer, void> {
  const file = createReadStream(path, { highWaterMark: CHUNK });
  try {
    yield* decompress(file, detectCompression(headOf(path)), `the blob ${path}`);
  } catch (error) {
    if (!(error instanceof SlipwayError) || error.code !== 'SLIPWAY_ARCHIVE_INVALID') throw error;
    throw new SlipwayError('SLIPWAY_BLOB_CORRUPT', error.message, {
      hint: 'remove the file; it is made or fetched again when it is needed',
      cause: error,
    });
  } finally {
    file.destroy();
  }
}

function headOf(path: string): Buffer {
  const head = Buffer.alloc(MAGIC_BYTES);
  const file = openSync(path, 'r');
  try {
    return head.subarray(0, readSync(file, head, 0, MAGIC_BYTES, 0));
  } finally {
    closeSync(file);
  }
}

/** As `blobTar`, in pieces of one size (but for the last), each in a buffer of its own. */
export async function* blobTarInChunks(path: string, size = 1024 * 1024): AsyncGenerator<Buffer, void> {
  let chunk = Buffer.allocUnsafeSlow(size);
  let used = 0;
  for await (const bytes of blobTar(path)) {
    for (let done = 0; done < bytes.length; ) {
      const copied = bytes.copy(chunk, used, done);
      done += copied;
      used += copied;
      if (used < size) continue;
      yield chunk;
      [chunk, used] = [Buffer.allocUnsafeSlow(size), 0];
    }
  }
  if (used > 0) yield chunk.subarray(0, used);
}
