import type { ContentStore } from '../../cache/content/content-store.ts';
import type { ImageStore } from '../../cache/images/image-store.ts';
import type { LayerStore } from '../../cache/layers/layer-store.ts';
import type { Descriptor } from '../core/descriptor.ts';
import type { ProgressSink } from '../core/progress.ts';
import { parseReference } from '../core/reference.ts';
import type { RegistryClient } from '../registry/registry-client.ts';
import type { AssembledImages } from './assemble.ts';

export interface PushServices {
  /** `insecure`: speak http to whatever host the reference names. */
  readonly connect: (security: 'default' | 'insecure') => Promise<RegistryClient>;
  readonly content: ContentStore;
  readonly imageStore: ImageStore;
  readonly layers: LayerStore;
}

export interface BuiltImagePush {
  readonly reference: string;
  readonly images: AssembledImages;
  readonly byDigest: boolean;
  readonly insecure: boolean;
  readonly context: { readonly signal: AbortSignal; readonly progress: ProgressSink; readonly stepId: string };
}

/** Sends built images to registries; a layer that the registry has already is not even fetched. */
export function createPushImage({ connect, content, imageStore, layers }: PushServices) {
  return async ({ reference, images, byDigest, insecure, context }: BuiltImagePush): Promise<void> => {
    const { pushImage } = await import('../registry/push-image.ts');
    const parsed = parseReference(reference);
    const { tag: _tag, ...withoutTag } = parsed;
    await pushImage(
      await connect(insecure ? 'insecure' : 'default'),
      {
        reference: byDigest ? withoutTag : parsed,
        root: images.root,
        content,
        sources: (digest) => imageStore.blobSources(digest),
        fetch: (descriptor, signal) => fetchLayer(descriptor, { images, layers, signal }),
        onProgress: ({ digest, size }, sent) =>
          context.progress.emit({
            type: 'step-progress',
            at: Date.now(),
            id: context.stepId,
            task: `pushing ${digest.slice(0, 19)}`,
            current: sent,
            total: size,
            unit: 'bytes',
          }),
      },
      context.signal,
    );
  };
}

async function fetchLayer(
  { digest }: Descriptor,
  { images, layers, signal }: { images: AssembledImages; layers: LayerStore; signal: AbortSignal },
): Promise<void> {
  for (const image of images.images) {
    const index = image.layers.findIndex((layer) => layer.descriptor.digest === digest);
    const layer = image.stack[index];
    if (layer === undefined) continue;
    await layers.ensureFetched(layer, signal);
    return;
  }
  throw new Error(`internal: no image has the layer ${digest}`);
}
