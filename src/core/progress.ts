import type { SlipwayError } from './errors.ts';

/**
 * What happens in a build, as it happens. One closed union: the terminal, plain and rawjson renderers, and any program that
 * uses the library, consume these and nothing else. `at` is milliseconds since 1970. Version of this shape: 1.
 */
export type ProgressEvent =
  | { readonly type: 'build-started'; readonly at: number; readonly version: 1 }
  /** The steps that will be solved, once the graph is known; a step is named before anything else is said of it. */
  | { readonly type: 'step-planned'; readonly at: number; readonly step: StepInfo }
  | { readonly type: 'step-started'; readonly at: number; readonly id: string }
  /** Bytes that a step's process wrote, as they came: not cut at line ends, not decoded. */
  | {
      readonly type: 'step-output';
      readonly at: number;
      readonly id: string;
      readonly stream: 'stdout' | 'stderr';
      readonly data: Uint8Array;
    }
  /** How far a transfer within a step has come; `total` is undefined while unknown. Units are bytes or items. */
  | {
      readonly type: 'step-progress';
      readonly at: number;
      readonly id: string;
      readonly task: string;
      readonly current: number;
      readonly total?: number;
      readonly unit: 'bytes' | 'items';
    }
  | {
      readonly type: 'step-finished';
      readonly at: number;
      readonly id: string;
      readonly outcome: StepOutcome;
      readonly error?: SlipwayError;
    }
  | {
      readonly type: 'warning';
      readonly at: number;
      readonly code: string;
      readonly message: string;
      readonly detail?: string;
      readonly url?: string;
      readonly file?: string;
      readonly line?: number;
    }
  /** Something worth knowing that is neither a step nor a problem, said once. */
  | { readonly type: 'notice'; readonly at: number; readonly message: string }
  | { readonly type: 'build-finished'; readonly at: number; readonly outcome: 'built' | 'failed' | 'cancelled' };

/** `cached`: not run again. `cancelled`: another step failed or the user stopped the build. */
export type StepOutcome = 'done' | 'cached' | 'failed' | 'cancelled';

export interface StepInfo {
  /** Unique within the build. */
  readonly id: string;
  /** As shown: `[build 2/5] RUN npm ci`, `[internal] load build context`, `exporting to oci`. */
  readonly name: string;
  readonly stage?: string;
  /** Line in the Dockerfile, from 1. */
  readonly line?: number;
}

/** Takes events; must not throw and must not block. */
export interface ProgressSink {
  emit(event: ProgressEvent): void;
}

/** The sink that drops everything. */
export const silentProgress: ProgressSink = { emit: () => {} };
