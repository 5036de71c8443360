import type { Digest } from '../core/digest.ts';
import type { ProgressSink } from '../core/progress.ts';
import type { AssembledImages, ImageForm, PlatformResult } from '../image/assemble.ts';

/** What an exporter says of what it wrote, for `--metadata-file` and the summary. */
export interface ExportSummary {
  /** Digest of the index or manifest that was written, where the output has one. */
  readonly digest?: Digest;
  /** `the OCI image app.tar`, for people. */
  readonly written: string;
}

export interface ExportContext {
  readonly signal: AbortSignal;
  readonly progress: ProgressSink;
  readonly stepId: string;
  /** SOURCE_DATE_EPOCH of the build, seconds; an output's own takes its place. */
  readonly epoch?: number;
}

/**
 * Puts a result somewhere. Writes beside the destination and renames: a failed export leaves what was there before. An image exporter
 * is given the images assembled in its `form`; a files exporter is given the layers and makes no blob of them.
 */
export type Exporter = ImageExporter | FilesExporter;

export interface ImageExporter {
  readonly kind: 'image';
  /** For progress: `exporting to oci image format`. */
  readonly name: string;
  readonly form: ImageForm;
  export(images: AssembledImages, context: ExportContext): Promise<ExportSummary>;
}

export interface FilesExporter {
  readonly kind: 'files';
  readonly name: string;
  export(results: readonly PlatformResult[], context: ExportContext): Promise<ExportSummary>;
}
