import type { BytePath } from '../../src/core/byte-path.ts';
import type { ProcessSpec } from '../../src/core/executor.ts';
import type { LayerStack } from '../layers/layer-store.ts';
import type { CacheMountRequest } from '../mounts/cache-mount-store.ts';

/** A RUN that failed, as far as it can be entered later: what never is in a store (secrets, agents, contexts) is not part of it. */
export interface FailedStep {
  /** `[0-9a-f]{8}` */
  readonly id: string;
  /** Milliseconds since 1970. */
  readonly createdAt: number;
  /** What the step was called. */
  readonly description: string;
  /** The step's root, with what it wrote before it failed as the uppermost layer. */
  readonly stack: LayerStack;
  /** Without the values of secrets and without proxies, which may have passwords in them. */
  readonly process: FailedProcess;
  readonly mounts: readonly KeptMount[];
  /** Mounts that the step had and that are not kept, one phrase each. */
  readonly omitted: readonly string[];
}

export type FailedProcess = Omit<ProcessSpec, 'id'>;

/** A mount of a failed step that can be had again. `path`: inside what is mounted. */
export type KeptMount =
  | {
      readonly type: 'stack';
      readonly target: string;
      readonly stack: LayerStack;
      readonly path: BytePath;
      readonly access: 'ro' | 'discard';
    }
  | {
      readonly type: 'cache';
      readonly target: string;
      readonly cache: Omit<CacheMountRequest, 'seed'>;
      readonly path: BytePath;
      readonly access: 'ro' | 'rw';
    }
  | { readonly type: 'tmpfs'; readonly target: string; readonly sizeBytes?: number };

/** The failed steps of a store, shared by all processes that use it. Prune leaves their layers alone as long as they are here. */
export interface FailedStepStore {
  /** Keeps a step, and of all steps the newest `limit` (at least 1). */
  save(step: Omit<FailedStep, 'id' | 'createdAt'>, limit: number): FailedStep;
  /** The step with the id, or the newest for `@last`. */
  get(name: string): FailedStep | undefined;
  /** Newest first. */
  list(): readonly FailedStep[];
}
