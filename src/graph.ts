import type { Definition } from '../frontend/frontend.ts';
import type { ExecOp, OpDefinition, Vertex } from '../solver/vertex.ts';
import type { Digest } from './core/digest.ts';
import { withoutCredentials } from './core/fetch-url.ts';
import { formatPlatform } from './core/platform.ts';

/** A build as data. Version of this shape: 1. */
export interface BuildGraph {
  readonly version: 1;
  /** Inputs before those that use them; otherwise in the order of the Dockerfile. */
  readonly vertices: readonly GraphVertex[];
  /** What the image is, for each platform; null for an image without layers. */
  readonly results: readonly { readonly platform: string; readonly vertex: Digest | null }[];
}

export interface GraphVertex {
  /** Of the operation and its inputs; the same for the same work, whatever it is called. */
  readonly digest: Digest;
  readonly name: string;
  readonly stage?: string;
  /** In the Dockerfile, from 1. */
  readonly line?: number;
  readonly inputs: readonly Digest[];
  /** Users and passwords of URLs left out, and so is what enters no key. */
  readonly op: Readonly<Record<string, unknown>> & { readonly kind: OpDefinition['kind'] };
}

/** The vertices of converted Dockerfiles, each once. */
export function graphOf(definitions: readonly Definition[]): BuildGraph {
  const vertices = new Map<Digest, Vertex>();
  for (const { root } of definitions) if (root !== 'scratch') collect(root, vertices);
  return {
    version: 1,
    vertices: [...vertices.values()].map(graphVertex),
    results: definitions.map(({ root, platform }) => ({
      platform: formatPlatform(platform),
      vertex: root === 'scratch' ? null : root.digest,
    })),
  };
}

/** With a stack of its own: a graph may be deeper than the call stack. */
function collect(root: Vertex, into: Map<Digest, Vertex>): void {
  const open: { readonly vertex: Vertex; next: number }[] = [{ vertex: root, next: 0 }];
  for (let top = open.at(-1); top !== undefined; top = open.at(-1)) {
    const input = top.vertex.inputs[top.next++];
    if (input === undefined) {
      into.set(top.vertex.digest, top.vertex);
      open.pop();
    } else if (!into.has(input.digest)) open.push({ vertex: input, next: 0 });
  }
}

function graphVertex({ digest, op, inputs, options: { name, stage, source } }: Vertex): GraphVertex {
  return {
    digest,
    name: withoutCredentials(name),
    ...(stage === undefined ? {} : { stage }),
    ...(source === undefined ? {} : { line: source.range.startLine }),
    inputs: inputs.map((input) => input.digest),
    op: shownOp(op),
  };
}

function shownOp(op: OpDefinition): GraphVertex['op'] {
  const { unkeyed: _unkeyed, ...shown } = op as ExecOp;
  return JSON.parse(
    JSON.stringify(shown, (_key, value: unknown) => (typeof value === 'string' ? withoutCredentials(value) : value)),
  );
}
