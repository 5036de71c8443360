import type { CacheKey } from '../cache/records/record-store.ts';
import { type Digest, digestOfJson } from '../src/core/digest.ts';

/** Part of every key: results of a solver that made them otherwise are found no more when it changes. */
const KEY_VERSION = 1;

/** How an input stands in a key: by the key that its result is known under, or by the content that is read of it. */
export type KeyIngredient =
  | { readonly by: 'definition'; readonly key: CacheKey }
  | { readonly by: 'content'; readonly digest: Digest };

/** The key of an op on these inputs. Keys made of different ingredients never collide. */
export function cacheKeyOf(op: Digest, inputs: readonly KeyIngredient[]): CacheKey {
  const ingredients = inputs.map((input) =>
    input.by === 'definition' ? ['definition', input.key] : ['content', input.digest],
  );
  return digestOfJson({ version: KEY_VERSION, op, inputs: ingredients }) as CacheKey;
}
