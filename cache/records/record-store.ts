import type { Digest } from '../../src/core/digest.ts';
import type { LayerStack } from '../layers/layer-store.ts';

/** A digest that a result is found under. */
export type CacheKey = Digest & { readonly __cacheKey: never };

/** A named ingredient of a key (`command`, `env PATH`, `base`, `file /app/x`), kept so that a miss can be explained by what differs. */
export interface KeyPart {
  readonly name: string;
  readonly value: string;
}

export interface CacheRecord {
  readonly stack: LayerStack;
  /**
   * The most precise of the keys that the result was saved under: what a vertex that builds on it puts into its own key. Whoever finds
   * the record under a cheaper key need not compute it, which may take solving inputs that nobody else wants.
   */
  readonly preciseKey: CacheKey;
  /** Milliseconds since 1970. */
  readonly createdAt: number;
}

/** Results by key, shared by all processes that use the store. */
export interface RecordStore {
  /** The newest record under the key, whether or not its layers are still there: the caller asks the layer store. */
  lookup(key: CacheKey): CacheRecord | undefined;
  /** Saves one result under all its keys in one transaction; replaces what was there. */
  save(keys: readonly CacheKey[], record: CacheRecord, description: string, parts: readonly KeyPart[]): void;
}
