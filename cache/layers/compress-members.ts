import { constants, gunzip, gzip, gzipSync, zstdCompress, zstdDecompress } from 'node:zlib';
import type { MemberCompression } from './compression.ts';
import type { Member } from './member-table.ts';

/** Another number means that the same bytes and level give another member than before. */
export const MEMBER_FORM = 1;

/** Less than this is compressed at once: handing it to a thread takes longer. */
const TINY = 4 * 1024;
/** As small as the bytes allow, because setting up the compressor takes longer than compressing so few: 4 KiB of window, a table to fit. */
const TINY_WINDOW = { windowBits: 12, memLevel: 6 } as const;

/**
 * Compresses bytes as a zstd frame or as gzip members, on the threads of the pool. The same bytes give the same members. What gzip
 * could not make smaller (it is compressed already, or random) is packed as it is, which is twenty times as fast.
 */
export async function compressMember(bytes: Uint8Array, { type, level }: MemberCompression): Promise<Buffer> {
  if (type === 'zstd') return compressPiece(bytes, { type, level });
  if (bytes.length <= TINY) return gzipSync(bytes, { level, ...TINY_WINDOW, chunkSize: roomFor(bytes) });
  const pieces = await Promise.all(
    denseRuns(bytes).map(async ({ start, end, isDense }) => {
      const piece = bytes.subarray(start, end);
      const isStored = isDense && !(await isCompressible(piece));
      return compressPiece(piece, isStored ? { type, level: 0 } : { type, ...(await searchFor(piece, level)) });
    }),
  );
  return pieces.length === 1 && pieces[0] !== undefined ? pieces[0] : Buffer.concat(pieces);
}

/** The tar bytes of a member, made on the threads of the pool. Fails where they are not as many as they should be. */
export function decompressMember({ compressed, tarBytes }: Member, { type }: MemberCompression): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const done = (error: Error | null, tar: Buffer) => {
      if (error !== null) reject(error);
      else if (tar.length === tarBytes) resolve(tar);
      else reject(new Error(`internal: a member has ${tar.length} bytes, expected ${tarBytes}`));
    };
    // More than enough room: one piece of work for the pool.
    const options = { chunkSize: tarBytes + 1024, maxOutputLength: tarBytes };
    if (type === 'gzip') gunzip(compressed, options, done);
    else zstdDecompress(compressed, options, done);
  });
}

/** How gzip looks for repetitions. */
interface Search {
  readonly level: number;
  readonly strategy?: number;
}

/**
 * Made for data in which short repetitions mean little, such as lists of words and numbers in no order: there it is smaller than
 * what level 6 gives, in half the time. Programs and sources become larger by it.
 */
const FILTERED: Search = { level: 4, strategy: constants.Z_FILTERED };
/** The level that gives way to it, the default. */
const FILTERED_INSTEAD_OF = 5;
/** Both are tried on so many bytes out of the middle of a piece; shorter pieces are compressed as they are. */
const TRIAL = 64 * 1024;

async function searchFor(piece: Uint8Array, level: number): Promise<Search> {
  if (level !== FILTERED_INSTEAD_OF || piece.length < 4 * TRIAL) return { level };
  const middle = Math.floor(piece.length / 2);
  const sample = piece.subarray(middle, middle + TRIAL);
  const [usual, filtered] = await Promise.all(
    [{ level }, FILTERED].map((search) => compressPiece(sample, { type: 'gzip', ...search })),
  );
  return filtered !== undefined && usual !== undefined && filtered.length < usual.length ? FILTERED : { level };
}

function compressPiece(bytes: Uint8Array, { type, level, strategy }: MemberCompression & Search): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const done = (error: Error | null, member: Buffer) => (error === null ? resolve(member) : reject(error));
    // One piece of work for the pool instead of one for every 16 KiB.
    const chunkSize = roomFor(bytes);
    if (type === 'gzip') gzip(bytes, { level, chunkSize, ...(strategy === undefined ? {} : { strategy }) }, done);
    else zstdCompress(bytes, { params: { [constants.ZSTD_c_compressionLevel]: level }, chunkSize }, done);
  });
}

/** Room for whatever the bytes become, and no more: what comes out keeps all of it. */
function roomFor(bytes: Uint8Array): number {
  return bytes.length + (bytes.length >> 8) + 256;
}

/** Bytes are looked at by the block, and samples at its two ends stand for the block. */
const BLOCK = 16 * 1024;
const SAMPLE = 1024;
/** Bits a byte of a sample; random bytes give 7.8 in a sample of this size, programs and text less than 7. */
const DENSE_ENTROPY = 7.6;
/** Shorter ones are not worth the window that the compressor loses there. */
const DENSE_BLOCKS = 2;

interface Run {
  readonly start: number;
  readonly end: number;
  readonly isDense: boolean;
}

/** Cuts bytes where runs of dense blocks begin and end. */
function denseRuns(bytes: Uint8Array): readonly Run[] {
  const runs: Run[] = [];
  let open = 0;
  let start = 0;
  for (let at = 0; at < bytes.length; at = start) {
    start = at;
    while (start + BLOCK <= bytes.length && isDenseBlock(bytes, start)) start += BLOCK;
    if (start - at >= DENSE_BLOCKS * BLOCK) {
      if (at > open) runs.push({ start: open, end: at, isDense: false });
      runs.push({ start: at, end: start, isDense: true });
      open = start;
    }
    start += BLOCK;
  }
  if (open < bytes.length || runs.length === 0) runs.push({ start: open, end: bytes.length, isDense: false });
  return runs;
}

function isDenseBlock(bytes: Uint8Array, start: number): boolean {
  const counts = new Uint16Array(256);
  for (const from of [start, start + BLOCK - SAMPLE / 2]) {
    for (let at = from; at < from + SAMPLE / 2; at++) {
      const byte = bytes[at] ?? 0;
      counts[byte] = (counts[byte] ?? 0) + 1;
    }
  }
  let bits = 0;
  for (const count of counts) if (count > 0) bits -= count * Math.log2(count / SAMPLE);
  return bits / SAMPLE > DENSE_ENTROPY;
}

/** Asks the compressor itself: many different bytes may still repeat in some order. */
async function isCompressible(dense: Uint8Array): Promise<boolean> {
  const sample = dense.subarray(0, BLOCK / 2);
  const compressed = await compressPiece(sample, { type: 'gzip', level: 1 });
  return compressed.length < sample.length * 0.98;
}
