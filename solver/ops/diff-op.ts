import type { LayerStack, TreeEntry } from '../../cache/layers/layer-store.ts';
import { digestOfJson } from '../../src/core/digest.ts';
import type { Op, OpContext } from '../solver.ts';
import type { DiffOp, InputRef, Vertex } from '../vertex.ts';
import { diffTrees } from './diff/diff-trees.ts';
import type { OpServices } from './services.ts';

/**
 * What `upper` has on top of `lower`: its own layers where it was made on top of `lower`, else one layer that turns the files of
 * `lower` into those of `upper`.
 */
export function createDiffOp(op: DiffOp, vertex: Vertex, services: OpServices): Op {
  return {
    cacheMap: async () => ({
      digest: digestOfJson({ kind: op.kind, lower: op.lower, upper: op.upper }),
      inputs: vertex.inputs.map(() => ({ by: 'definition' as const })),
      parts: [],
    }),
    exec: async (inputs, context) => {
      const lower = stackOf(op.lower, inputs);
      const upper = stackOf(op.upper, inputs);
      if (lower.every((layer, index) => upper[index] === layer)) return upper.slice(lower.length);
      return [services.layers.addTree(await diffStacks(lower, upper, { services, context }))];
    },
  };
}

async function diffStacks(
  lower: LayerStack,
  upper: LayerStack,
  { services, context }: { readonly services: OpServices; readonly context: OpContext },
): Promise<readonly TreeEntry[]> {
  using below = await services.layers.view(lower, context.signal);
  using above = await services.layers.view(upper, context.signal);
  return diffTrees(below, above);
}

function stackOf(ref: InputRef, inputs: readonly (LayerStack | 'local')[]): LayerStack {
  const input = ref === 'scratch' ? [] : inputs[ref];
  if (input === undefined || input === 'local') throw new Error('internal: a diff needs layer stacks');
  return input;
}
