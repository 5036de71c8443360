import type { ImageConfig } from '../../src/core/image-config.ts';
import type { Platform } from '../../src/core/platform.ts';
import { silentProgress } from '../../src/core/progress.ts';
import { createExporter, type ExporterRequest, type ExporterServices } from '../../src/export/create-exporter.ts';
import type { ExportContext, ExportSummary } from '../../src/export/exporter.ts';
import type { OutputSpec } from '../../src/export/output-spec.ts';
import { assembleImages, type PlatformResult } from '../../src/image/assemble.ts';
import { addLayer, type LayerRig, openLayerRig, type TestEntry } from '../rig/layers.ts';

export const AMD64: Platform = { os: 'linux', architecture: 'amd64' };
export const ARM64: Platform = { os: 'linux', architecture: 'arm64' };
export const NOW = Date.UTC(2026, 5, 1, 12, 0, 0);

type Files = Readonly<Record<string, TestEntry>>;

/** A result with a layer, and its entry in the history, for each of `files`. */
export function resultOf(rig: LayerRig, files: readonly Files[], platform: Platform = AMD64): PlatformResult {
  const config: ImageConfig = {
    ...platform,
    config: { Env: ['PATH=/bin'], Cmd: ['sh'] },
    history: [
      ...files.map((_layer, at) => ({ created_by: `COPY ${at} # buildkit`, comment: 'buildkit.dockerfile.v0' })),
      { created_by: 'CMD ["sh"]', empty_layer: true },
    ],
    rootfs: { type: 'layers', diff_ids: [] },
  };
  return { stack: files.map((layer) => addLayer(rig.layers, layer)), config, platform };
}

export interface Exported extends LayerRig {
  readonly tagged: ReadonlyMap<string, string>;
  readonly pushed: readonly string[];
  /** Runs an export as a build would. */
  run(
    spec: OutputSpec,
    results: readonly PlatformResult[],
    options?: Partial<ExporterRequest> &
      Pick<ExporterServices, 'stdout'> &
      Pick<ExportContext, 'epoch'> & { readonly signal?: AbortSignal },
  ): Promise<ExportSummary>;
}

/** A store with everything that an exporter needs; destinations are relative to `folder`. */
export function openExportRig(): Exported {
  const rig = openLayerRig();
  const tagged = new Map<string, string>();
  const pushed: string[] = [];
  return {
    ...rig,
    tagged,
    pushed,
    async run(spec, results, { stdout, epoch, signal = new AbortController().signal, ...request } = {}) {
      const exporter = createExporter(
        spec,
        { tags: [], annotations: [], allow: [], ...request },
        {
          cwd: rig.folder,
          layers: rig.layers,
          content: rig.content,
          tagImage: (reference, target) => void tagged.set(reference, target.digest),
          pushImage: async ({ reference }) => void pushed.push(reference),
          ...(stdout === undefined ? {} : { stdout }),
        },
      );
      const dated = epoch === undefined ? {} : { epoch };
      const context = { signal, progress: silentProgress, stepId: 'export', ...dated };
      if (exporter.kind === 'files') return await exporter.export(results, context);
      const { layers, content } = rig;
      const images = await assembleImages(results, {
        layers,
        content,
        form: exporter.form,
        now: NOW,
        signal,
        ...dated,
      });
      return await exporter.export(images, context);
    },
  };
}
