import type { LayerBlob } from '../../src/core/descriptor.ts';
import { SlipwayError } from '../../src/core/errors.ts';
import { type MemberCompression, memberCompressionOf } from './compression.ts';
import { diffIdOfPulled, fetchPulled, type LayerContext } from './layer-context.ts';
import type { Compression, LayerId, TreeEntry } from './layer-store.ts';
import type { BlobRow } from './layer-table.ts';

export interface BlobRequest {
  readonly layer: LayerId;
  readonly compression: Compression;
  /** Seconds; only for layers that were made here. */
  readonly epoch: number | undefined;
  readonly signal: AbortSignal;
}

/** The blob of a layer: one that exists, or made from `entries`, which is called only then. See `LayerStore.blob`. */
export async function ensureBlob(
  context: LayerContext,
  request: BlobRequest,
  entries: () => Promise<readonly TreeEntry[]>,
): Promise<LayerBlob> {
  const { layer, signal } = request;
  const compression = memberCompressionOf(request.compression);
  const pulledAs = context.table.pulledAs(layer);
  const isPulled = pulledAs !== undefined;
  const known = isPulled ? { descriptor: pulledAs, diffId: diffIdOfPulled(layer) } : undefined;
  if (known !== undefined && (request.compression.force !== true || isCompressedAs(known, compression))) return known;

  const suffix = isPulled || request.epoch === undefined ? '' : `@${request.epoch}`;
  const variant = `${variantOf(compression)}${suffix}`;
  const find = () => findBlob(context, layer, { variant, suffix, force: request.compression.force === true });
  const found = find();
  if (found !== undefined) return found;
  return context.once.run(`blob ${layer} ${variant}`, signal, async () => {
    const again = find();
    if (again !== undefined) return again;
    if (known !== undefined) await fetchPulled(context, layer, known.descriptor, signal);
    const blob = await makeBlob(
      context,
      { ...request, compression, from: known ?? sameTar(context, layer, suffix) },
      entries,
    );
    context.table.addBlob(layer, { ...blob, variant });
    return blob;
  });
}

/** The epoch that a variant was made with, with its `@`; empty where it was made without. */
export function epochSuffixOf({ variant }: BlobRow): string {
  const at = variant.indexOf('@');
  return at < 0 ? '' : variant.slice(at);
}

function variantOf(compression: MemberCompression | undefined): string {
  return compression === undefined ? 'uncompressed' : `${compression.type}-${compression.level}`;
}

function isCompressedAs({ descriptor }: LayerBlob, compression: MemberCompression | undefined): boolean {
  const [, suffix] = /[+.](gzip|zstd)$/.exec(descriptor.mediaType) ?? [];
  return suffix === compression?.type;
}

/** The very variant where it is there; without `force` one in another compression. `suffix` tells epochs apart. */
function findBlob(
  context: LayerContext,
  layer: LayerId,
  { variant, suffix, force }: { readonly variant: string; readonly suffix: string; readonly force: boolean },
): BlobRow | undefined {
  const there = presentBlobs(context, layer, suffix);
  return there.find((blob) => blob.variant === variant) ?? (force ? undefined : there[0]);
}

/** A blob of the same tar, to be compressed in another way. */
function sameTar(context: LayerContext, layer: LayerId, suffix: string): BlobRow | undefined {
  return presentBlobs(context, layer, suffix)[0];
}

function presentBlobs(context: LayerContext, layer: LayerId, suffix: string): BlobRow[] {
  return context.table
    .blobs(layer)
    .filter(
      (blob) => epochSuffixOf(blob) === suffix && context.content.size(blob.descriptor.digest) === blob.descriptor.size,
    );
}

interface MakeRequest extends Omit<BlobRequest, 'compression'> {
  readonly compression: MemberCompression | undefined;
  /** A blob of the same tar that is in the content store. */
  readonly from: LayerBlob | undefined;
}

async function makeBlob(
  context: LayerContext,
  { layer, from, compression, epoch, signal }: MakeRequest,
  entries: () => Promise<readonly TreeEntry[]>,
): Promise<LayerBlob> {
  const [{ writeItemsBlob, writeChunksBlob }, { openMemberTable }] = await Promise.all([
    import('./write-blob.ts'),
    import('./member-table.ts'),
  ]);
  const members = openMemberTable(context.store.database, context.content);
  const target = { content: context.content, members, compression, signal };
  if (from === undefined) {
    const [{ layerItems }, { mtimesAbove }] = await Promise.all([
      import('./layer-items.ts'),
      import('./kept-mtimes.ts'),
    ]);
    const all = await entries();
    const kept = epoch === undefined ? undefined : mtimesAbove(all, epoch);
    if (kept !== undefined) context.table.setMtimes(layer, kept);
    return writeItemsBlob(layerItems(all, epoch), target);
  }
  const { decompressInChunks } = await import('./decompress.ts');
  const path = context.content.path(from.descriptor.digest);
  if (path === undefined) throw new Error(`internal: the blob ${from.descriptor.digest} is not there`);
  const blob = await writeChunksBlob(decompressInChunks(path), target);
  if (blob.diffId === from.diffId) return blob;
  throw new SlipwayError(
    'SLIPWAY_LAYER_MISMATCH',
    `a layer is not what its image says: expected diffID ${from.diffId}, got ${blob.diffId}`,
    { hint: 'the image is damaged or was tampered with; pull it from somewhere else' },
  );
}
