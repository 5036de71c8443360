import type { Vertex } from '../../solver/vertex.ts';
import type { ImageResolver } from '../../src/core/image-source.ts';
import { convertReachable } from '../convert/convert.ts';
import { readRequest } from '../convert/read-request.ts';
import type { StageState } from '../convert/stage-state.ts';
import type { FrontendRequest, LintWarning } from '../frontend.ts';
import { planStages } from '../stages/plan-stages.ts';
import type { DeclaredArg, Stage, StagePlan } from '../stages/stage.ts';

/** What a target can be given: `--call=outline`. Members stand in the order of their lines. */
export interface Outline {
  /** Name of the target stage; undefined for one without. */
  readonly name?: string;
  readonly description?: string;
  readonly args: readonly OutlineArg[];
  readonly secrets: readonly OutlineMount[];
  readonly ssh: readonly OutlineMount[];
  /** What converting the target found. */
  readonly warnings: readonly LintWarning[];
}

export interface OutlineArg {
  readonly name: string;
  readonly value?: string;
  readonly description?: string;
  readonly line: number;
}

export interface OutlineMount {
  readonly name: string;
  readonly required: boolean;
  readonly line: number;
}

/** Converts the target and lists the build arguments, secrets and SSH agents that it and the stages below it use. */
export async function outlineDockerfile(
  original: FrontendRequest,
  images: ImageResolver,
  signal: AbortSignal,
): Promise<Outline> {
  const reading = readRequest(original);
  const plan = planStages(reading);
  const states = await convertReachable(plan, [plan.target], { ...reading, images, signal });
  const { name, from } = plan.target;
  const vertices = reachableVertices(states.get(plan.target)?.root ?? 'scratch');
  return {
    ...(name === undefined ? {} : { name }),
    ...(from?.comment === undefined ? {} : { description: from.comment }),
    args: argsOf(plan, states),
    secrets: mountsOf(vertices, 'secret'),
    ssh: mountsOf(vertices, 'ssh'),
    warnings: reading.linter.warnings,
  };
}

function argsOf({ globals }: StagePlan, states: ReadonlyMap<Stage, StageState>): readonly OutlineArg[] {
  const found = new Map<string, DeclaredArg>();
  for (const [stage, { buildArgs }] of [...states].reverse()) {
    const own = buildArgs.slice(stage.parent === undefined ? 0 : states.get(stage.parent)?.buildArgs.length);
    const declared = new Map(globals.declared);
    for (const arg of own) if (arg.declared !== undefined) declared.set(arg.key, arg.declared);
    for (const key of withDependencies([...stage.usedArgs, ...own.map((arg) => arg.key)], declared)) {
      const arg = declared.get(key);
      if (arg !== undefined && !found.has(key)) found.set(key, arg);
    }
  }
  return [...found.values()]
    .map(({ key, value, comment, range }) => ({
      name: key,
      ...(value === undefined ? {} : { value }),
      ...(comment === undefined ? {} : { description: comment }),
      line: range.startLine,
    }))
    .sort((a, b) => a.line - b.line);
}

/** The names, and all that their defaults mention. */
function withDependencies(names: readonly string[], declared: ReadonlyMap<string, DeclaredArg>): ReadonlySet<string> {
  const all = new Set(names);
  for (const name of all) for (const other of declared.get(name)?.dependsOn ?? []) all.add(other);
  return all;
}

function reachableVertices(root: Vertex | 'scratch'): readonly Vertex[] {
  const found = new Map<string, Vertex>();
  const open = root === 'scratch' ? [] : [root];
  for (let vertex = open.pop(); vertex !== undefined; vertex = open.pop()) {
    if (found.has(vertex.digest)) continue;
    found.set(vertex.digest, vertex);
    open.push(...vertex.inputs);
  }
  return [...found.values()];
}

function mountsOf(vertices: readonly Vertex[], type: 'secret' | 'ssh'): readonly OutlineMount[] {
  const all = vertices.flatMap(({ op, options }) => {
    if (op.kind !== 'exec') return [];
    const line = options.source?.range.startLine ?? 0;
    return op.mounts.flatMap((mount) =>
      mount.type === type ? [{ name: mount.id, required: mount.required, line }] : [],
    );
  });
  const sorted = all.sort((a, b) => a.line - b.line);
  return sorted.filter((mount, index) => sorted.findIndex(({ name }) => name === mount.name) === index);
}
