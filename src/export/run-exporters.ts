import type { ContentStore } from '../../cache/content/content-store.ts';
import type { LayerStore } from '../../cache/layers/layer-store.ts';
import { canonicalJson } from '../core/digest.ts';
import { SlipwayError } from '../core/errors.ts';
import type { ProgressSink, StepOutcome } from '../core/progress.ts';
import { type AssembledImages, assembleImages, type ImageForm, type PlatformResult } from '../image/assemble.ts';
import type { Exporter } from './exporter.ts';

export interface ExportRunOptions {
  readonly layers: LayerStore;
  readonly content: ContentStore;
  /** Milliseconds since 1970. */
  readonly now: number;
  /** SOURCE_DATE_EPOCH, seconds. */
  readonly epoch?: number;
  readonly progress: ProgressSink;
  readonly signal: AbortSignal;
}

/**
 * Runs the exporters one after the other, each as a step of its own; outputs of the same form share one assembly. Returns the images of
 * the first image output, or undefined where no output is an image.
 */
export async function runExporters(
  exporters: readonly Exporter[],
  results: readonly PlatformResult[],
  options: ExportRunOptions,
): Promise<AssembledImages | undefined> {
  const assembled = new Map<string, Promise<AssembledImages>>();
  const assemble = (form: ImageForm) => {
    const key = canonicalJson(form);
    const known = assembled.get(key) ?? assembleImages(results, { ...options, form });
    assembled.set(key, known);
    return known;
  };
  for (const [index, exporter] of exporters.entries())
    await runStep(`export ${index}`, exporter.name, options, async (stepId) => {
      const { signal, progress, epoch } = options;
      const context = { signal, progress, stepId, ...(epoch === undefined ? {} : { epoch }) };
      if (exporter.kind === 'image') await exporter.export(await assemble(exporter.form), context);
      else await exporter.export(results, context);
    });
  return await assembled.values().next().value;
}

async function runStep(
  id: string,
  name: string,
  { progress, signal }: ExportRunOptions,
  run: (stepId: string) => Promise<void>,
): Promise<void> {
  progress.emit({ type: 'step-planned', at: Date.now(), step: { id, name } });
  progress.emit({ type: 'step-started', at: Date.now(), id });
  const finish = (outcome: StepOutcome, error?: SlipwayError) =>
    progress.emit({ type: 'step-finished', at: Date.now(), id, outcome, ...(error === undefined ? {} : { error }) });
  try {
    await run(id);
    finish('done');
  } catch (error) {
    finish(signal.aborted ? 'cancelled' : 'failed', error instanceof SlipwayError ? error : undefined);
    throw error;
  }
}
