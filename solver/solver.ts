import type { LayerStack } from '../cache/layers/layer-store.ts';
import type { KeyPart } from '../cache/records/record-store.ts';
import type { Digest } from '../src/core/digest.ts';
import type { ProgressSink } from '../src/core/progress.ts';
import type { Vertex } from './vertex.ts';

export interface OpContext {
  readonly signal: AbortSignal;
  readonly progress: ProgressSink;
  /** The step's id in progress events. */
  readonly stepId: string;
}

/** What the solver has to know to find a result without running the op. */
export interface CacheMap {
  /** The operation alone; for a source, the identity of what it fetches (diffIDs, commit, checksum). Undefined: never cached. */
  readonly digest: Digest | undefined;
  /** How each input enters the key, by index. */
  readonly inputs: readonly InputKey[];
  /** The named ingredients of `digest`, to explain misses. */
  readonly parts: readonly KeyPart[];
}

/**
 * `definition`: by the input's own key. `content`: by a digest of just the files the op reads, computed from the input's
 * result. A `local` input costs nothing to evaluate, so its content stands in the first key that is tried; other inputs have
 * to be solved for it, so theirs stands only in the second.
 */
export type InputKey =
  | { readonly by: 'definition' }
  | {
      readonly by: 'content';
      digest(
        input: LayerStack | 'local',
        context: OpContext,
      ): Promise<{ readonly digest: Digest; readonly parts: readonly KeyPart[] }>;
    };

/** Behaviour of a vertex. */
export interface Op {
  cacheMap(context: OpContext): Promise<CacheMap>;
  /** Does the work. Inputs in the order of `vertex.inputs`; a `local` vertex has no stack and comes as `'local'`. */
  exec(inputs: readonly (LayerStack | 'local')[], context: OpContext): Promise<LayerStack | 'local'>;
}

/** Finds the behaviour of a vertex; injected, so that the solver knows no op. */
export type OpResolver = (vertex: Vertex) => Op;
