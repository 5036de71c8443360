import type { LayerStore } from '../../cache/layers/layer-store.ts';
import type { Descriptor } from '../core/descriptor.ts';
import { SlipwayError } from '../core/errors.ts';
import type { AssembledImages, ImageForm } from '../image/assemble.ts';
import type { ExportContext, ImageExporter } from './exporter.ts';
import { fetchLayers } from './layout.ts';

/** Names an image in the local image store. */
export type TagImage = (reference: string, target: Descriptor) => void;

/** Sends an image to the registry of the reference; blobs that are there already, or in a repository beside it, are not sent. */
export type PushImage = (push: {
  readonly reference: string;
  readonly images: AssembledImages;
  /** Push under the digest alone; the reference's tag stays what it is. */
  readonly byDigest: boolean;
  /** Speak http to a registry that is not on this machine. */
  readonly insecure: boolean;
  readonly context: ExportContext;
}) => Promise<void>;

export interface ImageExporterOptions {
  readonly form: ImageForm;
  readonly names: readonly string[];
  /** Whether the image gets its names in the local store. */
  readonly store: boolean;
  /** Whether and how it is pushed to the registries of its names. */
  readonly push?: { readonly byDigest: boolean; readonly insecure: boolean };
  readonly layers: LayerStore;
  readonly tagImage: TagImage;
  readonly pushImage: PushImage;
}

/** `type=image` and `type=registry`: the local image store, and the registries of the image's names. */
export function imageExporter(options: ImageExporterOptions): ImageExporter {
  const { form, names, store, push, layers } = options;
  if (push !== undefined && names.length === 0)
    throw new SlipwayError('SLIPWAY_OPTION_INVALID', '--output: an image without a name cannot be pushed', {
      hint: 'name it with --tag REGISTRY/NAME:TAG',
    });
  return {
    kind: 'image',
    name: push === undefined ? 'exporting to image' : 'exporting to image and pushing',
    form,
    async export(images, context) {
      if (store) {
        await fetchLayers(images, layers, context.signal);
        for (const name of names) {
          options.tagImage(name, images.root);
          say(context, `naming to ${name}`);
        }
      }
      if (push !== undefined)
        for (const reference of names) await options.pushImage({ reference, images, ...push, context });
      return { digest: images.root.digest, written: names.length === 0 ? 'an image without a name' : names.join(', ') };
    },
  };
}

function say({ progress, stepId }: ExportContext, line: string): void {
  const data = Buffer.from(`${line}\n`);
  progress.emit({ type: 'step-output', at: Date.now(), id: stepId, stream: 'stdout', data });
}
