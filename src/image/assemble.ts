import type { ContentStore } from '../../cache/content/content-store.ts';
import type { Compression, LayerStack, LayerStore } from '../../cache/layers/layer-store.ts';
import type { Descriptor, ImageIndex, ImageManifest, LayerBlob } from '../core/descriptor.ts';
import { canonicalJson } from '../core/digest.ts';
import type { ImageConfig } from '../core/image-config.ts';
import type { Platform } from '../core/platform.ts';
import { type Annotation, annotationsOf, checkAnnotations } from './annotations.ts';
import type { BuiltImage } from './built-image.ts';
import { completeHistory, isoTime } from './history.ts';
import { containerMediaTypes, layerDescriptorIn, type MediaTypeFamily } from './layer-media-types.ts';

/** How an output wants its image to be written. */
export interface ImageForm {
  readonly compression: Compression;
  readonly mediaTypes: MediaTypeFamily;
  readonly annotations: readonly Annotation[];
  /** Seconds since 1970: an epoch of this output alone, instead of the build's. */
  readonly epoch?: number;
  /** Whether an epoch also clamps the times of files in new layers. */
  readonly clampFileTimes: boolean;
}

/** What a build results in for one platform, before it is an image. */
export interface PlatformResult {
  readonly stack: LayerStack;
  /** With the history of base and build; entries without `created` are this build's. */
  readonly config: ImageConfig;
  readonly platform: Platform;
  /** What made each layer of the stack, for those that the history says nothing of. */
  readonly layerNames?: readonly string[] | undefined;
}

/** The image of every platform, and the descriptor that names all of it: an index for several, else the manifest. */
export interface AssembledImages {
  readonly root: Descriptor;
  readonly images: readonly BuiltImage[];
}

export interface AssembleOptions {
  readonly layers: LayerStore;
  readonly content: ContentStore;
  readonly form: ImageForm;
  /** Milliseconds since 1970. */
  readonly now: number;
  /** Seconds since 1970: SOURCE_DATE_EPOCH of the build. */
  readonly epoch?: number;
  readonly signal: AbortSignal;
}

/**
 * Names everything of an image: makes the layers' blobs, completes the config and writes config, manifest and, for several platforms,
 * the index into the content store. The same input gives the same digests. Layers that are only known to a registry stay there.
 */
export async function assembleImages(
  results: readonly PlatformResult[],
  options: AssembleOptions,
): Promise<AssembledImages> {
  checkAnnotations(
    options.form.annotations,
    results.map((result) => result.platform),
  );
  const images: BuiltImage[] = [];
  for (const result of results) images.push(await assembleImage(result, options));
  const [only] = images;
  if (only === undefined) throw new Error('internal: a build without a result has no image');
  return { root: images.length === 1 ? only.manifest : writeIndex(images, options), images };
}

/** One platform of `assembleImages`. */
export async function assembleImage(result: PlatformResult, options: AssembleOptions): Promise<BuiltImage> {
  const { form, content } = options;
  const layers = await layerBlobs(result.stack, options);
  const imageConfig = completeConfig(result, layers, options);
  const types = containerMediaTypes(form.mediaTypes);
  const config = storeJson(content, types.config, canonicalJson(imageConfig));
  const annotations = annotationsOf(form.annotations, 'manifest', result.platform);
  const manifest: ImageManifest = {
    schemaVersion: 2,
    mediaType: types.manifest,
    config,
    layers: layers.map((layer) => layer.descriptor),
    ...(annotations === undefined ? {} : { annotations }),
  };
  const described = annotationsOf(form.annotations, 'manifest-descriptor', result.platform);
  return {
    manifest: {
      ...storeJson(content, types.manifest, JSON.stringify(manifest, undefined, 2)),
      ...(described === undefined ? {} : { annotations: described }),
      platform: result.platform,
    },
    config,
    imageConfig,
    layers,
    stack: result.stack,
    platform: result.platform,
  };
}

async function layerBlobs(stack: LayerStack, options: AssembleOptions): Promise<readonly LayerBlob[]> {
  const { layers, form, signal } = options;
  const settings = { signal, ...blobSettings(form, options) };
  // All have settled before the first failure is reported, so that nothing works on after the build is over.
  const settled = await Promise.allSettled(stack.map((layer) => layers.blob(layer, form.compression, settings)));
  return settled.map((outcome) => {
    if (outcome.status === 'rejected') throw outcome.reason;
    return { ...outcome.value, descriptor: layerDescriptorIn(form.mediaTypes, outcome.value.descriptor) };
  });
}

/** What the blobs of an image of this form are made with; `epoch` is the build's. */
export function blobSettings(form: ImageForm, build: { readonly epoch?: number }): { readonly epoch?: number } {
  const epoch = form.clampFileTimes ? epochOf({ form, ...build }) : undefined;
  return epoch === undefined ? {} : { epoch };
}

function completeConfig(result: PlatformResult, layers: readonly LayerBlob[], options: AssembleOptions): ImageConfig {
  const epoch = epochOf(options);
  const names = result.layerNames;
  const history = completeHistory(result.config.history, {
    // Known by now, because their blobs were made; a cached build gives the times, and so the image, that it gave before.
    layerTimes: result.stack.map((layer) => options.layers.createdAt(layer)),
    nameLayer: (index) => (names?.length === result.stack.length ? names[index] : undefined),
    now: options.now,
    ...(epoch === undefined ? {} : { epoch }),
  });
  const lastCreated = history.findLast((entry) => entry.created !== undefined)?.created;
  const created = lastCreated ?? isoTime(epoch === undefined ? options.now : epoch * 1000);
  return {
    ...result.config,
    created,
    history,
    rootfs: { type: 'layers', diff_ids: layers.map((layer) => layer.diffId) },
  };
}

function epochOf(options: Pick<AssembleOptions, 'form' | 'epoch'>): number | undefined {
  return options.form.epoch ?? options.epoch;
}

function writeIndex(images: readonly BuiltImage[], { form, content }: AssembleOptions): Descriptor {
  const mediaType = containerMediaTypes(form.mediaTypes).index;
  const annotations = annotationsOf(form.annotations, 'index');
  const index: ImageIndex = {
    schemaVersion: 2,
    mediaType,
    manifests: images.map((image) => image.manifest),
    ...(annotations === undefined ? {} : { annotations }),
  };
  const described = annotationsOf(form.annotations, 'index-descriptor');
  return {
    ...storeJson(content, mediaType, JSON.stringify(index, undefined, 2)),
    ...(described === undefined ? {} : { annotations: described }),
  };
}

function storeJson(content: ContentStore, mediaType: string, json: string): Descriptor {
  const bytes = Buffer.from(json);
  return { mediaType, digest: content.put(bytes), size: bytes.length };
}
