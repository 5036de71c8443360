import type { InputRef, Vertex } from '../../solver/vertex.ts';
import type { Root } from './stage-state.ts';

/** The inputs of a vertex while its op is put together: each filesystem once, named by its index. */
export interface GraphInputs {
  readonly vertices: readonly Vertex[];
  /** The index of `root` among the inputs, added if it is new. */
  refer(root: Root): InputRef;
}

/** An empty list of inputs. */
export function graphInputs(): GraphInputs {
  const vertices: Vertex[] = [];
  return {
    vertices,
    refer(root) {
      if (root === 'scratch') return 'scratch';
      const known = vertices.findIndex((vertex) => vertex.digest === root.digest);
      return known >= 0 ? known : vertices.push(root) - 1;
    },
  };
}
