import { availableParallelism } from 'node:os';
import { crc32 } from 'node:zlib';
import type { BlobWriter } from '../content/content-store.ts';
import { compressMember, decompressMember } from './compress-members.ts';
import type { MemberCompression } from './compression.ts';
import { followingKey, type MemberDigests } from './member-digests.ts';
import { MEMBER } from './member-groups.ts';
import { contentKey, type MemberKey } from './member-keys.ts';
import type { MemberPlace, MemberTable } from './member-table.ts';

/** Bytes of tar that may wait for the thread pool: enough that none of its threads waits for the tar. */
const AHEAD_BYTES = 1.5 * MEMBER.floor * Math.max(4, availableParallelism());

/** Takes the members of a blob in their order and writes them in it, however many are being compressed at a time. */
export interface MemberOutput {
  /** What was written so far; without a key what is not worth finding again. */
  readonly members: readonly WrittenMember[];
  /** A member from tar bytes. `release` is called once they are not needed any more. */
  addTar(tar: Buffer, options?: TarMemberOptions): Promise<void>;
  /** The member that a key stands for, where the table has it; false otherwise. */
  addKnown(key: MemberKey): Promise<boolean>;
  /** Writes what was added and is not written yet. */
  finish(): Promise<void>;
  /** Waits for what is under way; never fails. */
  settle(): Promise<void>;
}

export interface WrittenMember extends Omit<MemberPlace, 'key' | 'states'> {
  readonly key: MemberKey | undefined;
  /** By what it is found where the same bytes stand before it, and what digests have come to behind it. */
  readonly following?: Required<Pick<MemberPlace, 'key' | 'states'>>;
}

export interface TarMemberOptions {
  /** Default: the key of the bytes. */
  readonly key?: MemberKey | undefined;
  /** Equal names mean equal bytes, of which the compressor's output is kept for a while. */
  readonly name?: string;
  readonly release?: () => void;
}

export interface MemberOutputOptions {
  readonly table: MemberTable;
  readonly compression: MemberCompression;
  /** Told of the tar and of what goes to the writer, which has that one of them; without them members are not found by what is before them. */
  readonly digests?: MemberDigests;
}

interface MemberBytes {
  readonly key: MemberKey | undefined;
  readonly compressed: Buffer;
  /** CRC-32 of the compressed bytes, where it is known already. */
  readonly checksum?: number;
}

interface Pending {
  readonly member: Promise<MemberBytes & { readonly tar: Buffer }>;
  /** What was given for the member. */
  readonly key: MemberKey | undefined;
  readonly tarBytes: number;
  readonly release: () => void;
}

/** Less is compressed anew as fast as it is found. */
const SMALLEST_KEPT = 8 * 1024;
/** How many named members are kept. */
const NAMED = 32;

/** Every member is compressed on the thread pool, unless the table has it. */
export function memberOutput(writer: BlobWriter, { table, compression, digests }: MemberOutputOptions): MemberOutput {
  const members: WrittenMember[] = [];
  const pending: Pending[] = [];
  const seen = new WeakSet<Buffer>();
  const named = new Map<string, Promise<MemberBytes>>();
  let pendingBytes = 0;
  let place = 0;

  const compress = async (tar: Buffer, given: MemberKey | undefined): Promise<MemberBytes> => {
    const key = given ?? (tar.length < SMALLEST_KEPT ? undefined : contentKey(tar, compression));
    // What has a key of its own was looked for before.
    const found = given === undefined && key !== undefined ? table.find(key) : undefined;
    if (found !== undefined) return { key, compressed: found.compressed, checksum: found.checksum };
    return { key, compressed: await compressMember(tar, compression) };
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
    next.member.catch(() => {});
    pending.push(next);
    pendingBytes += next.tarBytes;
    while (pendingBytes > AHEAD_BYTES) await writeNext();
  };
  const writeNext = async () => {
    const next = pending.shift();
    if (next === undefined) return;
    const { tar, ...member } = await next.member;
    pendingBytes -= next.tarBytes;
    if (digests === undefined || next.key === undefined) {
      const hashed = digests?.tar.append(tar, next.release) ?? next.release();
      await Promise.all([hashed, writer.append(member.compressed)]);
      note(member, tar.length);
      return;
    }
    // To be found again by what is before it, which has to be hashed by then.
    await digests.flush();
    const before = digests.states();
    digests.tar.update(tar);
    digests.blob.update(member.compressed);
    await writer.append(member.compressed, { isDigested: true });
    note(member, tar.length, before === undefined ? undefined : followingKey(before, next.key));
    next.release();
  };
  /** Of a member that was appended. */
  const note = ({ key: given, compressed, checksum: known }: MemberBytes, tarBytes: number, following?: MemberKey) => {
    // Of what repeats the first one is enough to find it again.
    const key = seen.has(compressed) ? undefined : given;
    seen.add(compressed);
    const checksum = known ?? (key === undefined ? 0 : crc32(compressed));
    const states = following === undefined ? undefined : digests?.states();
    const member = { key, place, size: compressed.length, tarBytes, checksum };
    members.push(
      following === undefined || states === undefined ? member : { ...member, following: { key: following, states } },
    );
    place += compressed.length;
  };
  // Copying through one buffer takes a third of the time that it takes through fresh ones.
  let room = Buffer.alloc(0);
  const roomFor = (size: number) => {
    if (room.length < size) room = Buffer.allocUnsafeSlow(Math.max(size, MEMBER.ceiling));
    return room.subarray(0, size);
  };
  /** A member that stood behind the same bytes before: what the digests come to is known. */
  const addFollowing = async (key: MemberKey) => {
    if (digests === undefined || pending.length > 0) return false;
    await digests.flush();
    const before = digests.states();
    const following = before === undefined ? undefined : followingKey(before, key);
    const stored = following === undefined ? undefined : table.find(following, roomFor);
    if (stored?.states === undefined) return false;
    digests.resume(stored.states);
    await writer.flush();
    writer.write(stored.compressed, { isDigested: true });
    note({ key, ...stored }, stored.tarBytes, following);
    return true;
  };
  return {
    members,
    addTar(tar, { key, name, release = () => {} } = {}) {
      const made = name === undefined ? compress(tar, key) : compressNamed(tar, name);
      return push({ member: made.then((bytes) => ({ ...bytes, tar })), key, tarBytes: tar.length, release });
    },
    async addKnown(key) {
      if (await addFollowing(key)) return true;
      const stored = table.find(key);
      if (stored === undefined) return false;
      const member = decompressMember(stored, compression).then((tar) => ({ key, ...stored, tar }));
      await push({ member, key, tarBytes: stored.tarBytes, release: () => {} });
      return true;
    },
    async finish() {
      while (pending.length > 0) await writeNext();
      await Promise.all([writer.flush(), digests?.flush()]);
    },
    settle: async () => {
      const working = [writer.flush(), digests?.flush(), ...pending.map(({ member }) => member)];
      await Promise.allSettled(working);
    },
  };
}
