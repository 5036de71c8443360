import { spawn } from 'node:child_process';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { createGunzip, createZstdDecompress } from 'node:zlib';
import { errnoOf, SlipwayError } from '../../src/core/errors.ts';
import { checkExpansion } from './expansion-limit.ts';
import { alignedFrames } from './zstd-frames.ts';

export type ArchiveCompression = 'none' | 'gzip' | 'bzip2' | 'xz' | 'zstd';

/** How many bytes `detectCompression` has to see. */
export const MAGIC_BYTES = 10;

/** The default, 16 KiB, halves the speed. */
const CHUNK_BYTES = 512 * 1024;
/** So many bytes are decompressed ahead, while what came before is unpacked. */
const AHEAD_BYTES = 4 * CHUNK_BYTES;

const MAGIC: readonly (readonly [ArchiveCompression, readonly number[]])[] = [
  ['bzip2', [0x42, 0x5a, 0x68]],
  ['gzip', [0x1f, 0x8b, 0x08]],
  ['xz', [0xfd, 0x37, 0x7a, 0x58, 0x5a, 0x00]],
  ['zstd', [0x28, 0xb5, 0x2f, 0xfd]],
];
/** 0x184D2A50 to 0x184D2A5F, little-endian: a skippable frame (RFC 8878, section 3.1.2). */
const SKIPPABLE_TAIL = [0x2a, 0x4d, 0x18];

/** How a file is compressed, by its first bytes; names do not count. */
export function detectCompression(head: Uint8Array): ArchiveCompression {
  for (const [compression, magic] of MAGIC) {
    if (magic.every((byte, index) => head[index] === byte)) return compression;
  }
  const isSkippable = head.length >= 8 && SKIPPABLE_TAIL.every((byte, index) => head[index + 1] === byte);
  return isSkippable && ((head[0] ?? 0) & 0xf0) === 0x50 ? 'zstd' : 'none';
}

/**
 * The bytes that `compressed` stands for: gzip with any number of members, zstd with any number of frames, bzip2 and xz by their tools, or
 * as they are. No more of them than `checkExpansion` allows. Leaving the iteration early ends what it started. `archive` names the source in errors:
 * `SLIPWAY_ARCHIVE_INVALID` for broken data, `SLIPWAY_DECOMPRESSOR_MISSING` where bzip2 or xz is not installed.
 */
export async function* decompress(
  compressed: AsyncIterable<Uint8Array>,
  compression: ArchiveCompression,
  archive: string,
): AsyncGenerator<Buffer> {
  let [taken, given] = [0, 0];
  async function* counted() {
    for await (const chunk of compressed) {
      taken += chunk.length;
      yield chunk;
    }
  }
  for await (const bytes of decoded(counted(), compression, archive)) {
    given += bytes.length;
    checkExpansion(archive, { taken, given });
    yield Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }
}

function decoded(
  compressed: AsyncIterable<Uint8Array>,
  compression: ArchiveCompression,
  archive: string,
): AsyncIterable<Uint8Array> {
  switch (compression) {
    case 'none':
      return compressed;
    case 'gzip':
      return decompressByZlib(compressed, 'gzip', archive);
    case 'zstd':
      return decompressByZlib(alignedFrames(compressed), 'zstd', archive);
    case 'bzip2':
    case 'xz':
      return decompressByTool(compressed, compression, archive);
    default:
      throw new Error(`internal: compression ${compression satisfies never}`);
  }
}

async function* decompressByZlib(
  compressed: AsyncIterable<Uint8Array>,
  compression: 'gzip' | 'zstd',
  archive: string,
): AsyncGenerator<Uint8Array> {
  const options = { chunkSize: CHUNK_BYTES, readableHighWaterMark: AHEAD_BYTES };
  const stream = compression === 'gzip' ? createGunzip(options) : createZstdDecompress(options);
  const fed = pipeline(Readable.from(compressed), stream).catch((error: unknown) => error);
  try {
    for await (const chunk of stream) yield chunk as Uint8Array;
  } catch (error) {
    if (!isDataError(error)) throw error;
    throw invalid(archive, compression, (error as Error).message, error);
  } finally {
    stream.destroy();
    await fed;
  }
}

async function* decompressByTool(
  compressed: AsyncIterable<Uint8Array>,
  tool: 'bzip2' | 'xz',
  archive: string,
): AsyncGenerator<Uint8Array> {
  // An xz file may ask for gigabytes of memory.
  const limits = tool === 'xz' ? ['--memlimit-decompress=1GiB'] : [];
  const child = spawn(tool, ['-dc', ...limits], {
    stdio: ['pipe', 'pipe', 'pipe'],
    env: { PATH: process.env.PATH, LC_ALL: 'C' },
  });
  const ended = new Promise<number | NodeJS.Signals | Error>((resolve) => {
    child.once('error', resolve);
    child.once('close', (code, signal) => resolve(code ?? signal ?? 0));
  });
  let complaint = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    complaint = (complaint + text).slice(0, 500);
  });
  const fed = pipeline(Readable.from(compressed), child.stdin).catch((error: unknown) => error);
  try {
    for await (const chunk of child.stdout) yield chunk as Uint8Array;
    const result = await ended;
    if (result instanceof Error) throw missingTool(tool, archive, result);
    if (result !== 0) throw invalid(archive, tool, complaint.trim() || `${tool} ended with ${result}`);
  } finally {
    child.kill('SIGKILL');
    child.stdin.destroy();
    await Promise.all([ended, fed]);
  }
}

function isDataError(error: unknown): boolean {
  const code = errnoOf(error) ?? '';
  return code.startsWith('Z_') || code.startsWith('ZSTD_') || code === 'ERR_STREAM_PREMATURE_CLOSE';
}

function missingTool(tool: string, archive: string, cause: Error): Error {
  if (errnoOf(cause) !== 'ENOENT') return cause;
  return new SlipwayError('SLIPWAY_DECOMPRESSOR_MISSING', `cannot unpack ${archive}: ${tool} is not installed`, {
    hint: `install it: apt-get install ${tool === 'xz' ? 'xz-utils' : tool}`,
    cause,
  });
}

function invalid(archive: string, compression: string, why: string, cause?: unknown): SlipwayError {
  const message = `${archive}: broken ${compression} data: ${why}`;
  return new SlipwayError('SLIPWAY_ARCHIVE_INVALID', message, cause === undefined ? {} : { cause });
}
