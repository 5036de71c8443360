import type { LayerStack } from '../cache/layers/layer-store.ts';
import type { RecordStore } from '../cache/records/record-store.ts';
import type { ProgressSink } from '../src/core/progress.ts';
import { type GraphNode, mergeVertices } from './graph.ts';
import type { OpResolver } from './solver.ts';
import { createStep } from './step.ts';
import type { Vertex } from './vertex.ts';
import { type Solved, type SolveServices, VertexSolution } from './vertex-solution.ts';
import { Work } from './work.ts';

/** What a graph is solved with. */
export interface SolveOptions {
  readonly resolve: OpResolver;
  readonly records: RecordStore;
  /** Whether the layers of a record are still there; a record whose are not is no hit. */
  readonly isDurable: (stack: LayerStack) => boolean;
  /** How many ops run at the same time; waiting for inputs counts for nothing. */
  readonly concurrency: number;
  readonly progress: ProgressSink;
  /** Told of the result of each vertex that was solved, as soon as there is one. */
  readonly onSolved?: (vertex: Vertex, stack: LayerStack) => void;
  readonly signal: AbortSignal;
}

/**
 * The results of the roots, in their order, from records or by running ops; equal vertices of all roots are solved once. When an
 * op fails, no other begins, those that run are aborted and waited for, and the failure is thrown with the place of its vertex. An
 * aborted `signal` throws its reason in the same way.
 */
export async function solve(roots: readonly Vertex[], options: SolveOptions): Promise<readonly LayerStack[]> {
  options.signal.throwIfAborted();
  const work = new Work(options.concurrency, options.signal);
  const solutions = prepare(mergeVertices(roots), options, { ...options, work });
  try {
    const solved = await Promise.all(roots.map((root) => solutionOf(solutions, root).solve()));
    return solved.map(stackOf);
  } catch (error) {
    throw work.failure ?? error;
  } finally {
    await work.end();
  }
}

function prepare(
  nodes: readonly GraphNode[],
  { progress }: SolveOptions,
  services: SolveServices,
): ReadonlyMap<string, VertexSolution> {
  const solutions = new Map<string, VertexSolution>();
  for (const node of nodes) {
    const inputs = node.inputs.map((input) => solutionOf(solutions, input.vertex));
    const step = createStep(node.vertex, progress);
    solutions.set(node.vertex.digest, new VertexSolution(node, inputs, step, services));
  }
  return solutions;
}

function solutionOf(solutions: ReadonlyMap<string, VertexSolution>, vertex: Vertex): VertexSolution {
  const solution = solutions.get(vertex.digest);
  if (solution === undefined) throw new Error(`internal: vertex ${vertex.digest} is not in the graph`);
  return solution;
}

function stackOf(solved: Solved): LayerStack {
  if (solved.result === 'local') throw new Error('internal: the root of a build is a build context');
  return solved.result;
}
