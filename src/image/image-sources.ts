import type { ContentStore } from '../../cache/content/content-store.ts';
import type { BlobLocation, ImageStore } from '../../cache/images/image-store.ts';
import type { BlobSource } from '../../cache/layers/layer-store.ts';
import type { Descriptor } from '../core/descriptor.ts';
import { SlipwayError } from '../core/errors.ts';
import type { ImageResolver } from '../core/image-source.ts';
import { parseReference } from '../core/reference.ts';
import type { RegistryClient } from '../registry/registry-client.ts';
import { createImageResolver } from './image-resolver.ts';
import { LayerDownloads, type TransferListener } from './layer-downloads.ts';
import { streamFromLayout } from './oci-layout.ts';
import { createRegistryImages } from './registry-images.ts';

export interface ImageSourcesOptions {
  readonly content: ContentStore;
  readonly images: ImageStore;
  /** Called once, when the network is first needed; whoever made the client disposes it. */
  readonly connect: () => Promise<RegistryClient>;
  /** See `ImageResolverOptions`. */
  readonly pull: 'missing' | 'always';
  readonly cwd: string;
  /** The folder of the store. */
  readonly root: string;
  readonly onProgress?: TransferListener;
}

/** Where a build's images come from. */
export interface ImageSources {
  readonly resolver: ImageResolver;
  /**
   * Fetches the layers of an image: `from` and `ref` are those of the `ResolvedImage`. `registry` and `oci-layout:<path>` fetch;
   * `store` has its layers here, or knows a registry that was seen to have them.
   */
  blobSource(from: string, ref: string): BlobSource;
}

const LAYOUT = 'oci-layout:';

/** The image sources of one build. */
export function createImageSources(options: ImageSourcesOptions): ImageSources {
  const { content, images, pull, cwd } = options;
  let client: Promise<RegistryClient> | undefined;
  const connect = () => {
    client ??= options.connect();
    return client;
  };
  const registry = createRegistryImages(content, connect);
  const downloads = new LayerDownloads(content, options.root, options.onProgress);
  const fetchFrom = (
    ref: string,
    open: (descriptor: Descriptor, signal: AbortSignal) => AsyncIterable<Uint8Array>,
  ): BlobSource => ({
    fetch: (descriptor, signal) =>
      downloads.ensure({ ref, descriptor, open: (transfer) => open(descriptor, transfer) }, signal),
  });
  return {
    resolver: createImageResolver({ content, images, registry, pull, cwd }),
    blobSource(from, ref) {
      if (from.startsWith(LAYOUT))
        return fetchFrom(ref, (descriptor) => streamFromLayout(from.slice(LAYOUT.length), descriptor));
      if (from === 'store')
        return fetchFrom(ref, (descriptor, signal) =>
          registry.stream(ref, locationOf(images, ref, descriptor), descriptor, signal),
        );
      if (from !== 'registry') throw new Error(`internal: there is no image source ${JSON.stringify(from)}`);
      const repository = parseReference(ref);
      return fetchFrom(ref, (descriptor, signal) => registry.stream(ref, repository, descriptor, signal));
    },
  };
}

/** A layer of an image that was built here on a base whose layers were never needed. */
function locationOf(images: ImageStore, ref: string, { digest }: Descriptor): BlobLocation {
  const [location] = images.blobSources(digest);
  if (location !== undefined) return location;
  throw new SlipwayError('SLIPWAY_BLOB_MISSING', `image ${ref}: its layer ${digest} is no longer in the store`, {
    hint: 'build or pull the image again',
  });
}
