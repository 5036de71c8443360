import { closeSync, createReadStream, openSync, readSync, statSync } from 'node:fs';
import { pipeline } from 'node:stream';
import { createGunzip, createZstdDecompress, type Gunzip, type ZstdDecompress } from 'node:zlib';
import { errnoOf, SlipwayError } from '../../src/core/errors.ts';

/** Large enough that the calls between threads do not count: 16 KiB, the default, halves the speed. */
const CHUNK = 256 * 1024;

/** What a blob's first bytes say that it is compressed with. A blob's media type is not believed: some writers get it wrong. */
export function compressionOf(path: string): 'gzip' | 'zstd' | 'uncompressed' {
  const start = Buffer.alloc(4);
  const file = openSync(path, 'r');
  try {
    readSync(file, start, 0, start.length, 0);
  } finally {
    closeSync(file);
  }
  if (start[0] === 0x1f && start[1] === 0x8b) return 'gzip';
  const magic = start.readUInt32LE();
  // RFC 8878: a frame, or a skippable frame, which a file may start with.
  return magic === 0xfd2fb528 || (magic & 0xfffffff0) >>> 0 === 0x184d2a50 ? 'zstd' : 'uncompressed';
}

/** The uncompressed bytes of a blob file: gzip with any number of members, zstd with any number of frames, or as they are. */
export async function* decompress(path: string): AsyncGenerator<Buffer, void> {
  const type = compressionOf(path);
  if (type === 'uncompressed') {
    yield* createReadStream(path, { highWaterMark: CHUNK });
    return;
  }
  const { size } = statSync(path);
  for (let start = 0; start < size; ) {
    // Node's zstd stream ends with the first frame. How far it came is where the next one starts.
    const decoder = type === 'gzip' ? createGunzip({ chunkSize: CHUNK }) : createZstdDecompress({ chunkSize: CHUNK });
    yield* decodeFrom(path, start, decoder);
    if (type === 'gzip') return;
    if (decoder.bytesWritten === 0) throw corrupt(path, type);
    start += decoder.bytesWritten;
  }
}

async function* decodeFrom(
  path: string,
  start: number,
  decoder: Gunzip | ZstdDecompress,
): AsyncGenerator<Buffer, void> {
  const file = createReadStream(path, { start, highWaterMark: CHUNK });
  // An error of the file destroys the decoder with it, and so comes out of the loop.
  pipeline(file, decoder, () => {});
  try {
    yield* decoder;
  } catch (error) {
    const code = errnoOf(error) ?? '';
    if (!code.startsWith('Z_') && !code.startsWith('ZSTD_')) throw error;
    throw corrupt(path, code, error);
  } finally {
    file.destroy();
    decoder.destroy();
  }
}

function corrupt(path: string, problem: string, cause?: unknown): SlipwayError {
  return new SlipwayError('SLIPWAY_BLOB_CORRUPT', `the compressed data of the blob ${path} is damaged: ${problem}`, {
    hint: 'remove the file; it is made or fetched again when it is needed',
    ...(cause === undefined ? {} : { cause }),
  });
}

/** As `decompress`, in pieces of one size (but for the last), each in a buffer of its own. */
export async function* decompressInChunks(path: string, size = 1024 * 1024): AsyncGenerator<Buffer, void> {
  let chunk = Buffer.allocUnsafeSlow(size);
  let used = 0;
  for await (const bytes of decompress(path)) {
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
