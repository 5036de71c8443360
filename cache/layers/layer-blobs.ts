import type { LayerBlob } from '../../src/core/descriptor.ts';
import { SlipwayError } from '../../src/core/errors.ts';
import { type BlobForm, blobFormOf } from './compression.ts';
import { TOC_DIGEST_ANNOTATION } from './estargz-format.ts';
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
  entries: () => Promise<Iterable<TreeEntry>>,
): Promise<LayerBlob> {
  const { layer, signal } = request;
  const form = blobFormOf(request.compression);
  const pulledAs = context.table.pulledAs(layer);
  const isPulled = pulledAs !== undefined;
  const known = isPulled ? { descriptor: pulledAs, diffId: diffIdOfPulled(layer) } : undefined;
  if (known !== undefined && (request.compression.force !== true || isCompressedAs(known, form))) return known;

  const suffix = isPulled || request.epoch === undefined ? '' : `@${request.epoch}`;
  const variant = `${variantOf(form)}${suffix}`;
  const find = () => findBlob(context, layer, { variant, suffix, force: request.compression.force === true });
  const found = find();
  if (found !== undefined) return found;
  return context.once.run(`blob ${layer} ${variant}`, signal, async () => {
    const again = find();
    if (again !== undefined) return again;
    if (known !== undefined) await fetchPulled(context, layer, known.descriptor, signal);
    const blob = await makeBlob(context, { ...request, form, from: known ?? sameTar(context, layer, suffix) }, entries);
    context.table.addBlob(layer, { ...blob, variant });
    return blob;
  });
}

/** The epoch that a variant was made with, with its `@`; empty where it was made without. */
export function epochSuffixOf({ variant }: BlobRow): string {
  const at = variant.indexOf('@');
  return at < 0 ? '' : variant.slice(at);
}

function variantOf(form: BlobForm): string {
  return form.type === 'uncompressed' ? form.type : `${form.type}-${form.member.level}`;
}

function isCompressedAs({ descriptor }: LayerBlob, form: BlobForm): boolean {
  const [, suffix = 'uncompressed'] = /[+.](gzip|zstd)$/.exec(descriptor.mediaType) ?? [];
  if (form.type !== 'estargz') return suffix === form.type;
  return suffix === 'gzip' && descriptor.annotations?.[TOC_DIGEST_ANNOTATION] !== undefined;
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

/** A blob of the same tar, to be compressed in another way. What estargz adds to a tar makes it another one. */
function sameTar(context: LayerContext, layer: LayerId, suffix: string): BlobRow | undefined {
  return presentBlobs(context, layer, suffix).find((blob) => !blob.variant.startsWith('estargz'));
}

function presentBlobs(context: LayerContext, layer: LayerId, suffix: string): BlobRow[] {
  return context.table
    .blobs(layer)
    .filter(
      (blob) => epochSuffixOf(blob) === suffix && context.content.size(blob.descriptor.digest) === blob.descriptor.size,
    );
}

interface MakeRequest extends Omit<BlobRequest, 'compression'> {
  readonly form: BlobForm;
  /** A blob of the same tar that is in the content store. */
  readonly from: LayerBlob | undefined;
}

async function makeBlob(
  context: LayerContext,
  { layer, from, form, epoch, signal }: MakeRequest,
  entries: () => Promise<Iterable<TreeEntry>>,
): Promise<LayerBlob> {
  const [{ writeItemsBlob, writeChunksBlob }, { openMemberTable }] = await Promise.all([
    import('./write-blob.ts'),
    import('./member-table.ts'),
  ]);
  using members = openMemberTable(context.store.database, context.content);
  const target = { content: context.content, members, form, signal };
  if (from === undefined) {
    const [{ layerItems }, { recordMtimes }] = await Promise.all([
      import('./layer-items.ts'),
      import('./kept-mtimes.ts'),
    ]);
    const all = await entries();
    const mtimes = epoch === undefined ? undefined : recordMtimes(epoch);
    const items = layerItems(mtimes?.record(all) ?? all, epoch);
    const { tarDigest: _tarDigest, ...blob } = await writeItemsBlob(items, target);
    const kept = mtimes?.packed();
    if (kept !== undefined) context.table.setMtimes(layer, kept);
    return blob;
  }
  const { blobTarInChunks } = await import('./blob-tar.ts');
  const path = context.content.path(from.descriptor.digest);
  if (path === undefined) throw new Error(`internal: the blob ${from.descriptor.digest} is not there`);
  const { tarDigest, ...blob } = await writeChunksBlob(blobTarInChunks(path), target);
  if (tarDigest === from.diffId) return blob;
  throw new SlipwayError(
    'SLIPWAY_LAYER_MISMATCH',
    `a layer is not what its image says: expected diffID ${from.diffId}, got ${tarDigest}`,
    { hint: 'the image is damaged or was tampered with; pull it from somewhere else' },
  );
}
