import type { Descriptor } from '../../src/core/descriptor.ts';
import type { Digest } from '../../src/core/digest.ts';
import { INDEX_TYPES, MANIFEST_TYPES, parseManifest } from '../../src/core/manifest.ts';
import type { ContentStore } from '../content/content-store.ts';
import type { ImageStore } from './image-store.ts';

/** An index in an index in an index… ends here. */
const MAX_DEPTH = 8;

/**
 * Every blob that an image of the local store is made of, whether or not it was fetched: what prune must leave in the content
 * store. Manifests that are not there (other platforms of a pulled index) are counted themselves, and nothing below them.
 */
export function referencedBlobs(images: ImageStore, content: ContentStore): ReadonlySet<Digest> {
  const found = new Set<Digest>();
  for (const image of images.list()) collect(image.target, content, found, MAX_DEPTH);
  return found;
}

function collect(descriptor: Descriptor, content: ContentStore, found: Set<Digest>, depth: number): void {
  const { digest, mediaType } = descriptor;
  if (found.has(digest)) return;
  found.add(digest);
  const isDocument = INDEX_TYPES.includes(mediaType) || MANIFEST_TYPES.includes(mediaType);
  if (!isDocument || depth === 0 || content.size(digest) === undefined) return;
  const document = parseManifest(content.read(digest), `the manifest ${digest} in the store`, mediaType);
  const children =
    document.kind === 'index' ? document.index.manifests : [document.manifest.config, ...document.manifest.layers];
  for (const child of children) collect(child, content, found, depth - 1);
}
