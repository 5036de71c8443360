import { SlipwayError, type SourceExcerpt } from '../../src/core/errors.ts';
import { suggest } from '../../src/core/suggest.ts';
import type { FrontendRequest } from '../frontend.ts';
import type { Dockerfile, FromInstruction, Instruction } from '../instructions/instruction.ts';
import type { Linter } from '../lint/linter.ts';
import type { Problems } from '../problems.ts';
import { checkDefaultBases, expandFrom } from './expand-from.ts';
import { evaluateGlobalArgs, predefinedArgs, setLast } from './global-args.ts';
import { type ContextLookup, contextLookup } from './named-contexts.ts';
import { parseEpoch } from './source-date-epoch.ts';
import type { GlobalArgs, Stage, StagePlan, Step } from './stage.ts';
import { checkCycles, type StageNames, stepOf } from './stage-sources.ts';

/** What planning needs to know. */
export interface PlanScope {
  readonly dockerfile: Dockerfile;
  readonly request: FrontendRequest;
  readonly linter: Linter;
  /** What is wrong so far; planning throws it together with what it finds. */
  readonly problems: Problems;
  /** Whether the problems so far leave the stages as they are meant. */
  readonly isCoherent: boolean;
}

/**
 * The stages of a Dockerfile with names, bases, global ARGs and what each step takes from where. Reaches nothing outside; images
 * are resolved afterwards. Throws BuildKit's errors for blank bases, unknown targets, cycles and stage numbers that are none, together
 * with the problems of the text.
 */
export function planStages(scope: PlanScope): StagePlan {
  const { problems } = scope;
  if (!scope.isCoherent) problems.throwIfAny();
  const plan = problems.attempt(undefined, () => plannedStages(scope));
  problems.throwIfAny();
  if (plan === undefined) throw new Error('internal: a Dockerfile has a plan or a problem');
  return plan;
}

function plannedStages(scope: PlanScope): StagePlan | undefined {
  const { dockerfile, request, problems } = scope;
  const written = splitStages(dockerfile);
  const globals = globalArgs(scope, written);
  const byName = new Map<string, Stage>();
  const contexts = contextLookup(request.contexts);
  const isLonely = written.length === 1 && !namesImages(written[0]?.instructions ?? []);
  const stages: Stage[] = [];
  for (const { from } of written) {
    const label = from.stageName ?? `stage-${stages.length}`;
    const source: SourceExcerpt = { range: from.range, text: dockerfile.text };
    const place = { index: stages.length, label: isLonely ? '' : label };
    const stage = problems.attempt(source, () => planStage(from, { ...scope, globals, byName, contexts, ...place }));
    if (stage === undefined) continue;
    stages.push(stage);
    if (stage.name !== undefined) byName.set(stage.name, stage);
  }
  if (stages.length < written.length) return undefined;
  const names: StageNames = { stages, byName };
  const target = problems.attempt(undefined, () => targetOf(request.target, names, dockerfile.text));
  for (const [index, { instructions }] of written.entries()) {
    const stage = stages[index];
    if (stage !== undefined && stage.replacement === undefined) stage.steps = stepsOf(instructions, names, scope);
  }
  problems.attempt(undefined, () => checkCycles(stages, dockerfile.text));
  return target === undefined ? undefined : { stages, target, globals };
}

function stepsOf(
  instructions: readonly Instruction[],
  names: StageNames,
  { dockerfile, problems }: PlanScope,
): readonly Step[] {
  return instructions.flatMap((instruction) => {
    const source: SourceExcerpt = { range: instruction.range, text: dockerfile.text };
    return problems.attempt(source, () => stepOf(instruction, { dockerfile, names })) ?? [];
  });
}

interface WrittenStage {
  readonly from: FromInstruction;
  readonly instructions: Instruction[];
}

function splitStages(dockerfile: Dockerfile): readonly WrittenStage[] {
  const stages: WrittenStage[] = [];
  for (const instruction of dockerfile.instructions) {
    if (instruction.kind === 'from') stages.push({ from: instruction, instructions: [] });
    else if (stages.length > 0) stages.at(-1)?.instructions.push(instruction);
    else if (instruction.kind !== 'arg') throw beforeFrom(instruction, dockerfile);
  }
  if (stages.length === 0)
    throw new SlipwayError('SLIPWAY_DOCKERFILE_EMPTY', `${dockerfile.file}: dockerfile contains no stages to build`, {
      hint: 'a Dockerfile needs a FROM; `FROM scratch` begins with nothing',
    });
  return stages;
}

function beforeFrom(instruction: Instruction, { text }: Dockerfile): SlipwayError {
  return new SlipwayError(
    'SLIPWAY_DOCKERFILE_INVALID',
    `no build stage in current context: ${instruction.keyword} stands before the first FROM`,
    { hint: 'only ARG may stand before the first FROM', source: { range: instruction.range, text } },
  );
}

/** Whether any instruction takes files from somewhere by name. */
function namesImages(instructions: readonly Instruction[]): boolean {
  return instructions.some(
    (instruction) =>
      (instruction.kind === 'copy' && instruction.from !== undefined) ||
      (instruction.kind === 'run' && instruction.mounts.length > 0),
  );
}

function globalArgs({ dockerfile, request, linter }: PlanScope, written: readonly WrittenStage[]): GlobalArgs {
  const stage = request.target ?? written.at(-1)?.from.stageName;
  const predefined = predefinedArgs(request, stage);
  checkDefaultBases(
    written.map(({ from }) => from),
    () => evaluateGlobalArgs(dockerfile, predefined, {}).values,
    { dockerfile, linter },
  );
  const { values, declared } = evaluateGlobalArgs(dockerfile, predefined, request.buildArgs);
  const text = request.buildArgs.SOURCE_DATE_EPOCH ?? values.get('SOURCE_DATE_EPOCH');
  const epoch = text === undefined ? undefined : parseEpoch(text);
  if (values.has('SOURCE_DATE_EPOCH')) {
    if (epoch === undefined) values.delete('SOURCE_DATE_EPOCH');
    else setLast(values, 'SOURCE_DATE_EPOCH', String(epoch));
  }
  return { values, declared, epoch };
}

interface StageScope extends PlanScope {
  readonly globals: GlobalArgs;
  readonly byName: ReadonlyMap<string, Stage>;
  readonly contexts: ContextLookup;
  readonly index: number;
  readonly label: string;
}

function planStage(from: FromInstruction, scope: StageScope): Stage {
  const { dockerfile, request, byName, contexts } = scope;
  const linter = scope.linter.under(from.comments);
  const { baseName, platform, usedArgs } = expandFrom(from, { dockerfile, globals: scope.globals, linter });
  const replacement = from.stageName === undefined ? undefined : contexts(from.stageName, platform ?? request.platform);
  const parent = replacement === undefined ? byName.get(baseName) : undefined;
  return {
    index: scope.index,
    name: from.stageName,
    label: scope.label,
    from,
    range: from.range,
    baseName,
    parent,
    platform,
    replacement,
    usedArgs,
    steps: [],
    base: undefined,
    hasTriggers: 'unknown',
  };
}

function targetOf(target: string | undefined, { stages, byName }: StageNames, text: string): Stage {
  const found = target ? byName.get(target.toLowerCase()) : stages.at(-1);
  if (found !== undefined) return found;
  const labels = stages.map((stage) => stage.name ?? stage.label);
  const meant = suggest(target ?? '', labels);
  const place = meant === undefined ? undefined : byName.get(meant);
  throw new SlipwayError(
    'SLIPWAY_TARGET_UNKNOWN',
    `target stage ${JSON.stringify(target)} could not be found${meant === undefined ? '' : ` (did you mean ${meant}?)`}`,
    {
      hint: `the stages are ${labels.filter(Boolean).join(', ') || 'unnamed'}; a target is named by its name after AS`,
      ...(place === undefined ? {} : { source: { range: place.range, text } }),
    },
  );
}
