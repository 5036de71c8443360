import { randomBytes } from 'node:crypto';
import type { Descriptor } from '../../src/core/descriptor.ts';
import type { DiffID } from '../../src/core/digest.ts';
import { SlipwayError } from '../../src/core/errors.ts';
import type { ContentStore } from '../content/content-store.ts';
import type { Store } from '../store.ts';
import type { BlobSource, LayerId } from './layer-store.ts';
import type { LayerTable } from './layer-table.ts';
import type { LayerTree } from './layer-tree.ts';
import type { Once } from './once.ts';
import { type OverlayXattrPrefix, overlayXattrPrefixOf } from './overlay-format.ts';

/** What the parts of a layer store share. */
export interface LayerContext {
  readonly store: Store;
  readonly content: ContentStore;
  readonly table: LayerTable;
  readonly once: Once;
  /** Layers whose `tree` form this process has. */
  readonly trees: Map<LayerId, LayerTree>;
  /** Where pulled layers can be fetched from, as far as this process was told. */
  readonly sources: Map<LayerId, BlobSource>;
  /** Tried out on first use. */
  readonly overlayPrefix: () => OverlayXattrPrefix;
}

/** A function that finds out the store's prefix when it is first called. */
export function lazyOverlayPrefix(store: Store): () => OverlayXattrPrefix {
  let prefix: OverlayXattrPrefix | undefined;
  return () => {
    prefix ??= overlayXattrPrefixOf(store);
    return prefix;
  };
}

/** Names a layer that is made here: nothing follows from the name. */
export function newLayerId(): LayerId {
  return randomBytes(8).toString('hex') as LayerId;
}

/** A pulled layer is named by the digits of its diffID. */
export function pulledLayerId(diffId: DiffID): LayerId {
  return diffId.slice('sha256:'.length) as LayerId;
}

/** The reverse of `pulledLayerId`. */
export function diffIdOfPulled(layer: LayerId): DiffID {
  return `sha256:${layer}` as DiffID;
}

/** Brings the blob of a pulled layer into the content store. `SLIPWAY_LAYER_MISSING` where nobody said where it can be had. */
export async function fetchPulled(
  context: LayerContext,
  layer: LayerId,
  descriptor: Descriptor,
  signal: AbortSignal,
): Promise<void> {
  // A blob of another size is what a machine left that lost its power.
  if (context.content.size(descriptor.digest) === descriptor.size) return;
  const source = context.sources.get(layer);
  if (source === undefined) throw missingLayer(layer, `its blob ${descriptor.digest} is not in the store`);
  await context.once.run(`fetch ${descriptor.digest}`, signal, () => source.fetch(descriptor, signal));
}

export function missingLayer(layer: LayerId, what: string): SlipwayError {
  return new SlipwayError('SLIPWAY_LAYER_MISSING', `the layer ${layer} cannot be used: ${what}`, {
    hint: 'something removed it from the store while it was needed; build again',
  });
}
