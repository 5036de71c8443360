import { type LayerBlob, MEDIA } from '../../src/core/descriptor.ts';
import type { DiffID, Digest } from '../../src/core/digest.ts';
import { startDigest } from '../../src/core/digest.ts';
import type { BlobWriter, ContentStore } from '../content/content-store.ts';
import { type TarItem, writeTar } from '../tar/tar-writer.ts';
import { compressMember, cutBefore, MEMBER } from './compress-members.ts';
import type { BlobForm, MemberCompression } from './compression.ts';
import type { MemberPlace, MemberTable } from './member-table.ts';

export interface BlobTarget {
  readonly content: ContentStore;
  readonly members: MemberTable;
  readonly form: BlobForm;
  readonly signal: AbortSignal;
}

/** A blob that was written, and the digest of the tar that it was written from. */
export type WrittenBlob = LayerBlob & { readonly tarDigest: Digest };

/** How many members wait for the thread pool's four threads: enough that none of them waits for the tar. */
const AHEAD = 8;

/** Writes items as a layer's tar, compressed, into the content store. */
export function writeItemsBlob(items: Iterable<TarItem>, target: BlobTarget): Promise<WrittenBlob> {
  const buffers = new BufferPool();
  const chunks = writeTar(items, {
    allocate: () => buffers.take(),
    ...(target.form.type === 'uncompressed' ? {} : { cutBefore }),
  });
  return writeChunksBlob(chunks, target, (chunk) => buffers.give(chunk));
}

/**
 * Writes a tar that comes in chunks, each of which becomes one member. `release` is called with every chunk that is not needed any
 * more. Where something fails, what is under way is waited for, and nothing is kept.
 */
export async function writeChunksBlob(
  chunks: Iterable<Buffer> | AsyncIterable<Buffer>,
  target: BlobTarget,
  release: (chunk: Buffer) => void = () => {},
): Promise<WrittenBlob> {
  const { content, signal, form } = target;
  if (form.type === 'estargz') return (await import('./write-estargz.ts')).writeEstargz(chunks, target, release);
  using writer = content.writer();
  const diffDigest = startDigest();
  const output =
    form.type === 'uncompressed'
      ? plainOutput(writer, release)
      : memberOutput(writer, { table: target.members, compression: form.member, release });
  try {
    for await (const chunk of chunks) {
      signal.throwIfAborted();
      diffDigest.update(chunk);
      await output.add(chunk);
    }
    await output.finish();
  } finally {
    await output.settle();
  }
  const blob = writer.commit();
  if (output.members.length > 0) target.members.save(blob.digest, output.members);
  const diffId = diffDigest.finish() as DiffID;
  return { descriptor: { mediaType: MEDIA_TYPES[form.type], ...blob }, diffId, tarDigest: diffId };
}

const MEDIA_TYPES = { uncompressed: MEDIA.ociLayer, gzip: MEDIA.ociLayerGzip, zstd: MEDIA.ociLayerZstd } as const;

/** Takes pieces of a tar and writes them, in order, as parts of a blob. */
export interface BlobOutput {
  /** What was written so far; empty where a blob has no members. */
  readonly members: readonly MemberPlace[];
  add(chunk: Buffer): Promise<void>;
  /** Writes what was added and is not written yet. */
  finish(): Promise<void>;
  /** Waits for what is under way; never fails. */
  settle(): Promise<void>;
}

function plainOutput(writer: BlobWriter, release: (chunk: Buffer) => void): BlobOutput {
  return {
    members: [],
    async add(chunk) {
      writer.write(chunk);
      release(chunk);
    },
    finish: async () => {},
    settle: async () => {},
  };
}

/** Every piece becomes a member, compressed on the thread pool unless an earlier blob has it. */
export function memberOutput(
  writer: BlobWriter,
  {
    table,
    compression,
    release,
  }: {
    readonly table: MemberTable;
    readonly compression: MemberCompression;
    readonly release: (chunk: Buffer) => void;
  },
): BlobOutput {
  const members: MemberPlace[] = [];
  const pending: Promise<{ key: MemberPlace['key']; bytes: Buffer }>[] = [];
  let place = 0;

  const compress = async (chunk: Buffer) => {
    const key = table.keyOf(chunk, compression);
    const bytes = table.find(key) ?? (await compressMember(chunk, compression));
    release(chunk);
    return { key, bytes };
  };
  const writeNext = async () => {
    const next = await pending.shift();
    if (next === undefined) return;
    writer.write(next.bytes);
    members.push({ key: next.key, place, size: next.bytes.length });
    place += next.bytes.length;
  };
  return {
    members,
    async add(chunk) {
      const member = compress(chunk);
      // Its failure is met when its turn to be written comes, or not at all when another failed before.
      member.catch(() => {});
      pending.push(member);
      if (pending.length >= AHEAD) await writeNext();
    },
    async finish() {
      while (pending.length > 0) await writeNext();
    },
    settle: async () => void (await Promise.allSettled(pending)),
  };
}

/** Chunk buffers that are used again, because fresh ones cost as much as filling them. */
class BufferPool {
  readonly #free: Buffer[] = [];

  take(): Buffer {
    return this.#free.pop() ?? Buffer.allocUnsafeSlow(MEMBER.ceiling);
  }

  give(chunk: Buffer): void {
    // The archive's trailer comes in a buffer of its own.
    if (chunk.buffer.byteLength === MEMBER.ceiling) this.#free.push(Buffer.from(chunk.buffer));
  }
}
