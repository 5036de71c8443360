import { constants, gzip, zstdCompress } from 'node:zlib';
import type { TarItem } from '../tar/tar-writer.ts';
import { tarSizeOf } from '../tar/tar-writer.ts';
import type { MemberCompression } from './compression.ts';

/** Bytes of tar that become one member: none ends before `floor` but where a file is so large that it has its own, none is above `ceiling`. */
export const MEMBER = { floor: 256 * 1024, spread: 256 * 1024, ceiling: 1024 * 1024 } as const;
const OWN_MEMBER = MEMBER.ceiling / 2;
const SMALLEST = 32 * 1024;

/**
 * Whether a member ends before this entry. Decided by the entry's path and size alone once the floor is reached, so that a change
 * elsewhere in the tar moves no cut but the ones next to it, and all other members are found compressed already. The larger an
 * entry, the likelier a cut before it.
 */
export function cutBefore({ entry }: TarItem, memberBytes: number): boolean {
  const size = tarSizeOf(entry);
  if (size >= OWN_MEMBER) return memberBytes >= SMALLEST;
  if (memberBytes + size > MEMBER.ceiling) return true;
  return memberBytes >= MEMBER.floor && fractionOf(entry.path) < size / MEMBER.spread;
}

/** A number in [0, 1) that follows from the path: FNV-1a, mixed so that paths that differ only at their end are far apart. */
function fractionOf(path: string): number {
  let hash = 0x811c9dc5;
  for (let index = 0; index < path.length; index++) hash = Math.imul(hash ^ path.charCodeAt(index), 0x01000193);
  hash = Math.imul(hash ^ (hash >>> 15), 0x2c1b3c6d);
  return ((hash ^ (hash >>> 13)) >>> 0) / 2 ** 32;
}

/** Compresses bytes as one gzip member or zstd frame, on a thread of the pool. The same bytes give the same member. */
export function compressMember(bytes: Uint8Array, { type, level }: MemberCompression): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const done = (error: Error | null, member: Buffer) => (error === null ? resolve(member) : reject(error));
    // Room for all of the output at once: one piece of work for the pool instead of one for every 16 KiB.
    const chunkSize = bytes.length + (bytes.length >> 8) + 1024;
    if (type === 'gzip') gzip(bytes, { level, chunkSize }, done);
    else zstdCompress(bytes, { params: { [constants.ZSTD_c_compressionLevel]: level }, chunkSize }, done);
  });
}
