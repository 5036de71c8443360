import type { ContentStore } from '../../cache/content/content-store.ts';
import type { LayerStore } from '../../cache/layers/layer-store.ts';
import type { Descriptor } from '../core/descriptor.ts';
import { MEDIA } from '../core/descriptor.ts';
import { type Digest, hexOf } from '../core/digest.ts';
import { familiarReference, parseReference } from '../core/reference.ts';
import type { AssembledImages } from '../image/assemble.ts';

/** A file of an OCI image layout: a blob of the content store, or a small text. `path` is relative to the layout. */
export type LayoutFile =
  | { readonly path: string; readonly blob: Digest; readonly size: number }
  | { readonly path: string; readonly text: string };

export const LAYOUT_MARKER = JSON.stringify({ imageLayoutVersion: '1.0.0' });

/** The blobs of all images, each once: index, manifests, configs, layers. */
export function layoutBlobs({ root, images }: AssembledImages): readonly LayoutFile[] {
  const descriptors = images.flatMap((image) => [
    image.manifest,
    image.config,
    ...image.layers.map((layer) => layer.descriptor),
  ]);
  const files = new Map<Digest, LayoutFile>();
  for (const { digest, size } of [root, ...descriptors])
    files.set(digest, { path: blobPath(digest), blob: digest, size });
  return [...files.values()].sort((a, b) => (a.path < b.path ? -1 : 1));
}

export function blobPath(digest: Digest): string {
  return `blobs/sha256/${hexOf(digest)}`;
}

/**
 * The entries that `index.json` has for an image: one for each name, with the annotations by which containerd, docker, podman and
 * skopeo find it, or one without a name. `created` is the image's own time, so that the same image gives the same layout.
 */
export function indexEntries({ root, images }: AssembledImages, names: readonly string[]): readonly Descriptor[] {
  const created = images[0]?.imageConfig.created;
  const annotations = {
    ...root.annotations,
    ...(created === undefined ? {} : { 'org.opencontainers.image.created': created }),
  };
  if (names.length === 0) return [{ ...root, annotations }];
  return names.map((name) => {
    const { tag, digest } = parseReference(name);
    return {
      ...root,
      annotations: {
        ...annotations,
        'io.containerd.image.name': name,
        'org.opencontainers.image.ref.name': tag ?? digest ?? 'latest',
      },
    };
  });
}

/** The text of `index.json`. */
export function indexJson(manifests: readonly Descriptor[]): string {
  return JSON.stringify({ schemaVersion: 2, mediaType: MEDIA.ociIndex, manifests });
}

/** The text of `manifest.json`, by which `docker load` finds the image of one platform. */
export function dockerManifestJson({ images }: AssembledImages, names: readonly string[]): string {
  return JSON.stringify(
    images.map((image) => ({
      Config: blobPath(image.config.digest),
      RepoTags: names.length === 0 ? null : names.map((name) => familiarReference(parseReference(name))),
      Layers: image.layers.map((layer) => blobPath(layer.descriptor.digest)),
    })),
  );
}

/** Brings the blobs of pulled layers, which nobody needed so far, into the content store. */
export async function fetchLayers(images: AssembledImages, layers: LayerStore, signal: AbortSignal): Promise<void> {
  const stack = new Set(images.images.flatMap((image) => image.stack));
  const settled = await Promise.allSettled([...stack].map((layer) => layers.ensureFetched(layer, signal)));
  for (const outcome of settled) if (outcome.status === 'rejected') throw outcome.reason;
}

/** Where a blob lies; it was put there by assembly or `fetchLayers`. */
export function storedBlob(content: ContentStore, digest: Digest): string {
  const path = content.path(digest);
  if (path === undefined) throw new Error(`internal: blob ${digest} of an assembled image is not in the content store`);
  return path;
}
