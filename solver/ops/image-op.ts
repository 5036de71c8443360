import type { LayerStack } from '../../cache/layers/layer-store.ts';
import { digestOfJson } from '../../src/core/digest.ts';
import type { Op } from '../solver.ts';
import type { ImageOp } from '../vertex.ts';
import type { OpServices } from './services.ts';

/**
 * FROM an image: names its layers to the layer store, and fetches nothing. Equal diffIDs are equal images. The layers are named
 * when the key is asked for, so that they can be fetched too where a later vertex is a hit and this one is not run.
 */
export function createImageOp(op: ImageOp, { layers, blobSource }: OpServices): Op {
  let stack: LayerStack | undefined;
  const named = () => {
    stack ??= op.layers.map(({ descriptor, diffId }) =>
      layers.addBlob(descriptor, diffId, blobSource(op.from, op.ref)),
    );
    return stack;
  };
  return {
    cacheMap: async () => {
      named();
      return {
        digest: digestOfJson({ kind: op.kind, layers: op.layers.map((layer) => layer.diffId) }),
        inputs: [],
        parts: [
          { name: 'image', value: op.ref },
          { name: 'image layers', value: op.layers.map((layer) => layer.diffId).join(' ') },
        ],
      };
    },
    exec: async () => named(),
  };
}
