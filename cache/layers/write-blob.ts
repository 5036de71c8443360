import { type LayerBlob, MEDIA } from '../../src/core/descriptor.ts';
import type { DiffID, Digest } from '../../src/core/digest.ts';
import type { ContentStore } from '../content/content-store.ts';
import { writeTar } from '../tar/tar-writer.ts';
import type { BlobForm, MemberCompression } from './compression.ts';
import type { LayerItem } from './layer-items.ts';
import { MemberDigests } from './member-digests.ts';
import { MEMBER } from './member-groups.ts';
import { type MemberOutput, memberOutput, type WrittenMember } from './member-output.ts';
import type { MemberPlace, MemberTable } from './member-table.ts';
import { takeTurns } from './take-turns.ts';
import { writeMembers } from './write-members.ts';

export interface BlobTarget {
  readonly content: ContentStore;
  readonly members: MemberTable;
  readonly form: BlobForm;
  readonly signal: AbortSignal;
}

/** A blob that was written, and the digest of the tar that it was written from. */
export type WrittenBlob = LayerBlob & { readonly tarDigest: Digest };

type Chunks = Iterable<Buffer> | AsyncIterable<Buffer>;

/**
 * Writes items as a layer's tar, compressed, into the content store. As in `writeChunksBlob`, where something fails, what is under way is
 * waited for, and nothing is kept.
 */
export async function writeItemsBlob(items: Iterable<LayerItem>, target: BlobTarget): Promise<WrittenBlob> {
  const { form, signal } = target;
  if (form.type === 'gzip' || form.type === 'zstd') {
    const compression = form.member;
    return writeMemberBlob(target, compression, (output) => writeMembers(items, output, { compression, signal }));
  }
  // Both forms are done with a chunk when they ask for the next.
  const buffer = Buffer.allocUnsafeSlow(MEMBER.ceiling);
  return writeChunksBlob(writeTar(items, { allocate: () => buffer }), target);
}

/** Writes a tar that comes in chunks, each of which becomes one member. */
export async function writeChunksBlob(chunks: Chunks, target: BlobTarget): Promise<WrittenBlob> {
  const { form, signal } = target;
  switch (form.type) {
    case 'uncompressed':
      return writePlain(chunks, target);
    case 'estargz':
      return (await import('./write-estargz.ts')).writeEstargz(chunks, target, form.member);
    case 'gzip':
    case 'zstd':
      return writeMemberBlob(target, form.member, async (output) => {
        const turn = takeTurns(signal);
        for await (const chunk of chunks) {
          await output.addTar(chunk);
          await turn();
        }
      });
    default:
      throw new Error(`internal: blob form ${form satisfies never}`);
  }
}

async function writePlain(chunks: Chunks, { content, signal }: BlobTarget): Promise<WrittenBlob> {
  using writer = content.writer();
  const turn = takeTurns(signal);
  for await (const chunk of chunks) {
    writer.write(chunk);
    await turn();
  }
  const blob = writer.commit();
  return { descriptor: { mediaType: MEDIA.ociLayer, ...blob }, diffId: blob.digest as DiffID, tarDigest: blob.digest };
}

const MEDIA_TYPES = { gzip: MEDIA.ociLayerGzip, zstd: MEDIA.ociLayerZstd } as const;

async function writeMemberBlob(
  { content, members }: BlobTarget,
  compression: MemberCompression,
  write: (output: MemberOutput) => Promise<void>,
): Promise<WrittenBlob> {
  const digests = new MemberDigests();
  using writer = content.writer({ digest: digests.blob });
  const output = memberOutput(writer, { table: members, compression, digests });
  try {
    await write(output);
    await output.finish();
  } finally {
    await output.settle();
  }
  const blob = writer.commit();
  members.save(blob.digest, keptMembers(output.members));
  const diffId = digests.tar.finish() as DiffID;
  return { descriptor: { mediaType: MEDIA_TYPES[compression.type], ...blob }, diffId, tarDigest: diffId };
}

/** The members to find again, each once. */
export function keptMembers(members: readonly WrittenMember[]): readonly MemberPlace[] {
  const kept = new Map<string, MemberPlace>();
  const keep = (place: MemberPlace) => void kept.set(place.key.toString('latin1'), place);
  for (const { key, following, ...place } of members) {
    if (key !== undefined) keep({ ...place, key });
    if (following !== undefined) keep({ ...place, ...following });
  }
  return [...kept.values()];
}
