import type { Digest } from '../src/core/digest.ts';
import type { Vertex } from './vertex.ts';

/** A vertex of a graph in which no two are equal. */
export interface GraphNode {
  readonly vertex: Vertex;
  /** In the order of `vertex.inputs`; one node may stand there twice. */
  readonly inputs: readonly GraphNode[];
  /** Whether one of the vertices that were merged into this asks for it. */
  readonly ignoreCache: boolean;
  /** In the order of the list: greater than that of every input. */
  readonly position: number;
}

/** The vertices that the roots need, equal ones merged by digest, inputs before those that use them. */
export function mergeVertices(roots: readonly Vertex[]): readonly GraphNode[] {
  const nodes = new Map<Digest, GraphNode & { ignoreCache: boolean }>();
  const visited = new Set<Vertex>();
  const visit = (vertex: Vertex): GraphNode => {
    const merged = nodes.get(vertex.digest);
    const ignoreCache = vertex.options.ignoreCache === true;
    if (merged !== undefined && visited.has(vertex)) return merged;
    visited.add(vertex);
    const inputs = vertex.inputs.map(visit);
    if (merged !== undefined) {
      merged.ignoreCache ||= ignoreCache;
      return merged;
    }
    const node = { vertex, inputs, ignoreCache, position: nodes.size };
    nodes.set(vertex.digest, node);
    return node;
  };
  for (const root of roots) visit(root);
  return [...nodes.values()];
}
