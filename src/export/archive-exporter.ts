import type { ContentStore } from '../../cache/content/content-store.ts';
import type { LayerStore } from '../../cache/layers/layer-store.ts';
import { SlipwayError } from '../core/errors.ts';
import type { AssembledImages, ImageForm } from '../image/assemble.ts';
import { type Destination, writeTo } from './destination.ts';
import type { ImageExporter } from './exporter.ts';
import {
  dockerManifestJson,
  fetchLayers,
  indexEntries,
  indexJson,
  LAYOUT_MARKER,
  type LayoutFile,
  layoutBlobs,
} from './layout.ts';
import { layoutArchive } from './layout-archive.ts';

/** What an archive of images is made from. */
export interface ArchiveSources {
  /** Normalised references that the image is named by in the layout. */
  readonly names: readonly string[];
  readonly layers: LayerStore;
  readonly content: ContentStore;
}

export interface ArchiveExporterOptions extends ArchiveSources {
  readonly form: ImageForm;
  readonly destination: Destination;
}

/** `type=oci`: an OCI image layout as a tar. */
export function ociExporter(options: ArchiveExporterOptions): ImageExporter {
  return archiveExporter('exporting to oci image format', options, ociArchive);
}

/** `type=docker`: the same tar with the `manifest.json` that `docker load` and `podman load` read. */
export function dockerExporter(options: ArchiveExporterOptions): ImageExporter {
  return archiveExporter('exporting to docker image format', options, dockerArchive);
}

function archiveExporter(name: string, options: ArchiveExporterOptions, archive: typeof ociArchive): ImageExporter {
  const { form, destination } = options;
  return {
    kind: 'image',
    name,
    form,
    async export(images, { signal }) {
      await writeTo(destination, await archive(images, options, signal), signal);
      const written = destination.kind === 'file' ? destination.path : 'standard output';
      return { digest: images.root.digest, written };
    },
  };
}

/** The layout's tar in chunks, each valid until the next; all blobs are here when it resolves. */
async function ociArchive(
  images: AssembledImages,
  { names, layers, content }: ArchiveSources,
  signal: AbortSignal,
): Promise<Iterable<Uint8Array>> {
  await fetchLayers(images, layers, signal);
  return layoutArchive(layoutFiles(images, names), content);
}

/** The same with docker's `manifest.json`, which knows one platform. */
export async function dockerArchive(
  images: AssembledImages,
  { names, layers, content }: ArchiveSources,
  signal: AbortSignal,
): Promise<Iterable<Uint8Array>> {
  if (images.images.length > 1)
    throw new SlipwayError('SLIPWAY_OUTPUT_ONE_PLATFORM', 'an output of type docker holds one platform, not several', {
      hint: 'use --output type=oci, which docker with the containerd image store can load too',
    });
  await fetchLayers(images, layers, signal);
  const manifest = { path: 'manifest.json', text: dockerManifestJson(images, names) };
  return layoutArchive([...layoutFiles(images, names), manifest], content);
}

function layoutFiles(images: AssembledImages, names: readonly string[]): readonly LayoutFile[] {
  return [
    ...layoutBlobs(images),
    { path: 'index.json', text: indexJson(indexEntries(images, names)) },
    { path: 'oci-layout', text: LAYOUT_MARKER },
  ];
}
