import type { LayerStack } from '../../cache/layers/layer-store.ts';
import { digestOfJson } from '../../src/core/digest.ts';
import type { Op } from '../solver.ts';
import type { MergeOp, Vertex } from '../vertex.ts';

/** The layers of all inputs, each above those of the one before: what later inputs have or remove wins. */
export function createMergeOp(op: MergeOp, vertex: Vertex): Op {
  return {
    cacheMap: async () => ({
      digest: digestOfJson({ kind: op.kind }),
      inputs: vertex.inputs.map(() => ({ by: 'definition' as const })),
      parts: [],
    }),
    exec: async (inputs) => inputs.flatMap(stackOf),
  };
}

function stackOf(input: LayerStack | 'local'): LayerStack {
  if (input === 'local') throw new Error('internal: a build context cannot be merged');
  return input;
}
