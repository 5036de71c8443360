import type { InputRef, Vertex } from './vertex.ts';

/**
 * What makes each layer of a vertex's stack, lowest first, as the graph says it: the same whatever a cache knows. Undefined for what says
 * nothing of how many layers it has (a diff).
 */
export function layerNames(vertex: Vertex): readonly string[] | undefined {
  const parts: (readonly string[])[] = [];
  for (let at: Vertex | undefined = vertex; at !== undefined; ) {
    const { op, inputs, options }: Vertex = at;
    if (op.kind === 'diff') return undefined;
    if (op.kind === 'merge') {
      const above = inputs.slice(1).map(layerNames);
      for (const names of above.reverse()) {
        if (names === undefined) return undefined;
        parts.push(names);
      }
      at = inputs[0];
      continue;
    }
    parts.push(op.kind === 'image' ? op.layers.map(() => options.name) : [options.name]);
    at = op.kind === 'exec' || op.kind === 'file' ? inputAt(at, op.root) : undefined;
  }
  return parts.reverse().flat();
}

function inputAt({ inputs }: Vertex, ref: InputRef): Vertex | undefined {
  return ref === 'scratch' ? undefined : inputs[ref];
}
