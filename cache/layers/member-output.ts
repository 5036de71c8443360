import { availableParallelism } from 'node:os';
import { crc32 } from 'node:zlib';
import type { BlobWriter } from '../content/content-store.ts';
import { compressMember, decompressMember } from './compress-members.ts';
import type { MemberCompression } from './compression.ts';
import { MEMBER } from './member-groups.ts';
import { contentKey, type MemberKey } from './member-keys.ts';
import type { Member, MemberPlace, MemberTable } from './member-table.ts';

/** Bytes of tar that may wait for the thread pool: enough that none of its threads waits for the tar. */
const AHEAD_BYTES = 1.5 * MEMBER.floor * Math.max(4, availableParallelism());

/** Takes the members of a blob in their order and writes them in it, however many are being compressed at a time. */
export interface MemberOutput {
  /** What was written so far; without a key what is not worth finding again. */
  readonly members: readonly WrittenMember[];
  /** A member from tar bytes. `release` is called once they are not needed any more. */
  addTar(tar: Buffer, options?: TarMemberOptions): Promise<void>;
  /** A member that is compressed already. */
  addStored(key: MemberKey, member: Member): Promise<void>;
  /** Writes what was added and is not written yet. */
  finish(): Promise<void>;
  /** Waits for what is under way; never fails. */
  settle(): Promise<void>;
}

export type WrittenMember = Omit<MemberPlace, 'key'> & { readonly key: MemberKey | undefined };

export interface TarMemberOptions {
  /** Default: the key of the bytes. */
  readonly key?: MemberKey;
  /** Equal names mean equal bytes, of which the compressor's output is kept for a while. */
  readonly name?: string;
  readonly release?: () => void;
}

export interface MemberOutputOptions {
  readonly table: MemberTable;
  readonly compression: MemberCompression;
  /** Told of all tar bytes, in their order. */
  readonly onTar: (tar: Buffer) => void;
}

interface MemberBytes {
  readonly key: MemberKey | undefined;
  readonly tar: Buffer;
  readonly compressed: Buffer;
}

interface Pending {
  readonly bytes: Promise<MemberBytes>;
  readonly tarBytes: number;
  readonly release: () => void;
}

/** Less is compressed anew as fast as it is found. */
const SMALLEST_KEPT = 8 * 1024;
/** How many named members are kept. */
const NAMED = 32;

/** Every member is compressed on the thread pool, unless the table has it. */
export function memberOutput(writer: BlobWriter, { table, compression, onTar }: MemberOutputOptions): MemberOutput {
  const members: WrittenMember[] = [];
  const pending: Pending[] = [];
  const written = new WeakSet<Buffer>();
  const named = new Map<string, Promise<Omit<MemberBytes, 'tar'>>>();
  let pendingBytes = 0;
  let place = 0;

  const compress = async (tar: Buffer, given: MemberKey | undefined) => {
    const key = given ?? (tar.length < SMALLEST_KEPT ? undefined : contentKey(tar, compression));
    // What has a key of its own was looked for before.
    const found = given === undefined && key !== undefined ? table.find(key) : undefined;
    return { key, compressed: found?.compressed ?? (await compressMember(tar, compression)) };
  };
  const compressNamed = (tar: Buffer, name: string) => {
    const known = named.get(name) ?? compress(tar, undefined);
    named.delete(name);
    named.set(name, known);
    for (const oldest of named.keys()) if (named.size > NAMED) named.delete(oldest);
    return known;
  };
  const push = async (next: Pending) => {
    // Its failure is met when its turn to be written comes, or not at all when another failed before.
    next.bytes.catch(() => {});
    pending.push(next);
    pendingBytes += next.tarBytes;
    while (pendingBytes > AHEAD_BYTES) await writeNext();
  };
  const writeNext = async () => {
    const next = pending.shift();
    if (next === undefined) return;
    const { key: given, tar, compressed } = await next.bytes;
    // Of what repeats the first one is enough to find it again.
    const key = written.has(compressed) ? undefined : given;
    written.add(compressed);
    pendingBytes -= next.tarBytes;
    onTar(tar);
    await writer.append(compressed);
    const checksum = key === undefined ? 0 : crc32(compressed);
    members.push({ key, place, size: compressed.length, tarBytes: tar.length, checksum });
    place += compressed.length;
    next.release();
  };
  return {
    members,
    addTar(tar, { key, name, release = () => {} } = {}) {
      const made = name === undefined ? compress(tar, key) : compressNamed(tar, name);
      return push({ bytes: made.then((bytes) => ({ ...bytes, tar })), tarBytes: tar.length, release });
    },
    addStored(key, member) {
      const { compressed, tarBytes } = member;
      const bytes = decompressMember(member, compression).then((tar) => ({ key, tar, compressed }));
      return push({ bytes, tarBytes, release: () => {} });
    },
    async finish() {
      while (pending.length > 0) await writeNext();
      await writer.flush();
    },
    settle: async () => void (await Promise.allSettled([writer.flush(), ...pending.map(({ bytes }) => bytes)])),
  };
}
