import type { LayerStack } from '../../cache/layers/layer-store.ts';
import type { Descriptor, LayerBlob } from '../core/descriptor.ts';
import type { ImageConfig } from '../core/image-config.ts';
import type { Platform } from '../core/platform.ts';

/** An image whose blobs are all named, for one platform. Manifest and config are in the content store. */
export interface BuiltImage {
  readonly manifest: Descriptor;
  readonly config: Descriptor;
  readonly imageConfig: ImageConfig;
  /** Lowest first. A pulled layer's blob may not have been fetched yet; `LayerStore.ensureFetched` brings it. */
  readonly layers: readonly LayerBlob[];
  readonly stack: LayerStack;
  readonly platform: Platform;
}
