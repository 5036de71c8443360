import type { ContentStore } from '../../cache/content/content-store.ts';
import type { LayerStore } from '../../cache/layers/layer-store.ts';
import type { AssembledImages, ImageForm } from '../image/assemble.ts';
import { type Destination, writeTo } from './destination.ts';
import type { ExportContext, ExportSummary, ImageExporter } from './exporter.ts';
import { dockerManifestJson, fetchLayers, indexEntries, indexJson, LAYOUT_MARKER, layoutBlobs } from './layout.ts';
import { layoutArchive } from './layout-archive.ts';

export interface LayoutExporterOptions {
  readonly form: ImageForm;
  /** Normalised references that the image is named by in the layout. */
  readonly names: readonly string[];
  readonly destination: Destination;
  readonly layers: LayerStore;
  readonly content: ContentStore;
}

/** `type=oci`: an OCI image layout as a tar. */
export function ociExporter(options: LayoutExporterOptions): ImageExporter {
  return {
    kind: 'image',
    name: 'exporting to oci image format',
    form: options.form,
    export: (images, context) => exportArchive(images, options, [], context),
  };
}

/** `type=docker`: the same tar with the `manifest.json` that `docker load` and `podman load` read. */
export function dockerExporter(options: LayoutExporterOptions): ImageExporter {
  return {
    kind: 'image',
    name: 'exporting to docker image format',
    form: options.form,
    export: (images, context) => {
      const text = dockerManifestJson(images, options.names);
      return exportArchive(images, options, [{ path: 'manifest.json', text }], context);
    },
  };
}

async function exportArchive(
  images: AssembledImages,
  options: LayoutExporterOptions,
  extra: readonly { readonly path: string; readonly text: string }[],
  { signal }: ExportContext,
): Promise<ExportSummary> {
  const { destination, content, names } = options;
  await fetchLayers(images, options.layers, signal);
  const files = [
    ...layoutBlobs(images),
    { path: 'index.json', text: indexJson(indexEntries(images, names)) },
    { path: 'oci-layout', text: LAYOUT_MARKER },
    ...extra,
  ];
  await writeTo(destination, layoutArchive(files, content), signal);
  const written = destination.kind === 'file' ? destination.path : 'standard output';
  return { digest: images.root.digest, written };
}
