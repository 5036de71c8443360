import type { ContentStore } from '../cache/content/content-store.ts';
import { openContentStore } from '../cache/content/file-content-store.ts';
import { type ImageStore, openImageStore, type StoredImage } from '../cache/images/image-store.ts';
import { openStore } from '../cache/store.ts';
import type { Descriptor } from './core/descriptor.ts';
import type { Digest } from './core/digest.ts';
import { SlipwayError } from './core/errors.ts';
import { parseManifest } from './core/manifest.ts';
import { familiarReference, formatReference, parseReference } from './core/reference.ts';
import { parseImageConfig } from './image/parse-image-config.ts';

/** An image of the local image store. */
export interface ListedImage {
  /** As a user writes it: `debian:bookworm`. */
  readonly reference: string;
  /** Of the manifest or index. */
  readonly digest: Digest;
  /** Of its layers as they are pulled, for all of its platforms that are here. */
  readonly bytes: number;
  /** RFC 3339; undefined where the image does not say. */
  readonly created?: string;
}

/** The images of the store in the folder `root`, in the order of their references. */
export function listImages(root: string): readonly ListedImage[] {
  using store = openStore(root);
  const content = openContentStore(store);
  return openImageStore(store.database)
    .list()
    .map((image) => listed(image, content));
}

/** Takes the name from an image; prune removes what only that one needed. `SLIPWAY_IMAGE_UNKNOWN`. */
export function removeImage(root: string, reference: string): void {
  using store = openStore(root);
  const images = openImageStore(store.database);
  if (!images.remove(formatReference(parseReference(reference)))) throw unknownImage(reference, images);
}

function listed({ reference, target }: StoredImage, content: ContentStore): ListedImage {
  const { bytes, created } = sizeOf(target, content);
  return {
    reference: familiarReference(parseReference(reference)),
    digest: target.digest,
    bytes,
    ...(created === undefined ? {} : { created }),
  };
}

interface Size {
  readonly bytes: number;
  readonly created: string | undefined;
}

function sizeOf({ digest, mediaType }: Descriptor, content: ContentStore): Size {
  if (content.size(digest) === undefined) return { bytes: 0, created: undefined };
  const document = parseManifest(content.read(digest), `the manifest ${digest} in the store`, mediaType);
  if (document.kind === 'index') {
    const sizes = document.index.manifests.map((manifest) => sizeOf(manifest, content));
    const created = sizes.find((size) => size.created !== undefined)?.created;
    return { bytes: sizes.reduce((sum, { bytes }) => sum + bytes, 0), created };
  }
  const { config, layers } = document.manifest;
  const bytes = layers.reduce((sum, { size }) => sum + size, 0);
  if (content.size(config.digest) === undefined) return { bytes, created: undefined };
  const where = `the config ${config.digest} in the store`;
  return { bytes, created: parseImageConfig(content.read(config.digest), where).created };
}

function unknownImage(text: string, images: ImageStore): SlipwayError {
  const count = images.list().length;
  return new SlipwayError('SLIPWAY_IMAGE_UNKNOWN', `there is no image "${text}" in the store`, {
    hint: count === 0 ? 'the store has no images' : 'slipway images lists those that are there',
  });
}
