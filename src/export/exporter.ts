import type { Digest } from '../core/digest.ts';
import type { ProgressSink } from '../core/progress.ts';
import type { BuiltImage } from '../image/built-image.ts';

/** What a build made, one image a platform (several only where several were asked for). */
export interface BuildResult {
  readonly images: readonly BuiltImage[];
  /** Normalised references from `-t` and `name=`. */
  readonly tags: readonly string[];
}

/** What an exporter says of what it wrote, for `--metadata-file` and the summary. */
export interface ExportSummary {
  /** Digest of the index or manifest that was written, where the output has one. */
  readonly digest?: Digest;
  readonly written: string;
}

/** Puts a result somewhere. Writes beside the destination and renames: a failed export leaves what was there before. */
export interface Exporter {
  /** For progress: `exporting to oci image format`. */
  readonly name: string;
  export(
    result: BuildResult,
    context: { readonly signal: AbortSignal; readonly progress: ProgressSink; readonly stepId: string },
  ): Promise<ExportSummary>;
}
