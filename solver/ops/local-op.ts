import type { Op } from '../solver.ts';
import type { LocalOp } from '../vertex.ts';
import type { OpServices } from './services.ts';

/** A build context: opened, and never a result that is kept. Whoever reads of it has what it reads in its own key. */
export function createLocalOp(op: LocalOp, { context }: OpServices): Op {
  return {
    cacheMap: async () => ({ digest: undefined, inputs: [], parts: [] }),
    exec: async () => {
      await context(op.name);
      return 'local';
    },
  };
}
