import { type Vertex, vertex } from '../../solver/vertex.ts';
import { SlipwayError, type SourceExcerpt } from '../../src/core/errors.ts';
import type { Platform } from '../../src/core/platform.ts';
import type { FrontendRequest } from '../frontend.ts';
import type { Dockerfile } from '../instructions/instruction.ts';
import type { Linter } from '../lint/linter.ts';
import type { Problems } from '../problems.ts';
import { setLast } from '../stages/global-args.ts';
import type { GlobalArgs, Stage } from '../stages/stage.ts';
import { writtenContextSources } from './context-sources.ts';
import { convertStep } from './convert-step.ts';
import { enterFolder } from './convert-workdir.ts';
import { draftOf, finishedImage } from './image-draft.ts';
import { buildableRoot, type StageStart, startOf } from './stage-roots.ts';
import type { Root, StageState } from './stage-state.ts';
import { nextStepName } from './step-name.ts';

/** What conversion of stages is given, beside the stages. */
export interface ConvertScope {
  readonly problems: Problems;
  readonly dockerfile: Dockerfile;
  readonly request: FrontendRequest;
  readonly globals: GlobalArgs;
  readonly linter: Linter;
}

/**
 * Carries out every stage on paper. `stages`: resolved, in order, with everything that they need. What is wrong with a step is added to
 * the problems, and so are the problems of what does not follow from it; the states are worth something only where there are none.
 */
export function convertStages(stages: readonly Stage[], scope: ConvertScope): ReadonlyMap<Stage, StageState> {
  const context = vertex({ kind: 'local', name: 'context' }, [], { name: '[internal] load build context' });
  const contextSources = writtenContextSources(stages);
  const states = new Map<Stage, StageState>();
  const failed = new Set<Stage>();
  // What `--from` names comes last in the order of stages, and needs none of them.
  const implicit = stages.filter((stage) => stage.from === undefined);
  const written = stages.filter((stage) => stage.from !== undefined);
  for (const stage of [...implicit, ...written])
    convertStage(stage, { ...scope, states, failed, context, contextSources });
  return states;
}

interface StageScope extends ConvertScope {
  readonly contextSources: readonly string[];
  /** From its beginning on: a trigger may take files from the stage that it belongs to. */
  readonly states: Map<Stage, StageState>;
  /** Stages that lack something, so that what is built on them would only repeat a problem. */
  readonly failed: Set<Stage>;
  readonly context: Vertex;
}

function convertStage(stage: Stage, scope: StageScope): void {
  const { problems, states, failed } = scope;
  const text = scope.dockerfile.text;
  const source: SourceExcerpt = { range: stage.range, text };
  const hasBase = stage.parent === undefined ? stage.base !== undefined : !failed.has(stage.parent);
  const state = hasBase ? problems.attempt(source, () => beginStage(stage, scope, source)) : undefined;
  if (state === undefined) {
    failed.add(stage);
    return;
  }
  states.set(stage, state);
  for (const step of stage.steps) {
    const source = { range: step.range, text };
    const linter = scope.linter.under(step.instruction.comments);
    const rootOf = (from: Stage, problem: string) => finishedRoot(from, scope, problem);
    const isDone = problems.attempt(source, () => {
      convertStep(state, { ...scope, step, source, linter, rootOf });
      return true;
    });
    if (isDone || !SETS_VARIABLES.has(step.instruction.kind)) continue;
    failed.add(stage);
    return;
  }
}

const SETS_VARIABLES: ReadonlySet<string> = new Set(['arg', 'env']);

/** A context that stands in for a stage is there from the beginning, wherever the stage stands. */
function finishedRoot(from: Stage, scope: StageScope, problem: string): Root {
  if (scope.failed.has(from)) return 'scratch';
  const state = scope.states.get(from);
  if (state !== undefined) return state.root;
  if (from.replacement !== undefined) return beginning(from, scope, (ref) => `FROM ${ref}`).root;
  throw new SlipwayError('SLIPWAY_STAGE_LATER', problem, {
    hint: `move ${from.name ? `the stage ${from.name}` : 'that stage'} above the stage that takes from it`,
  });
}

function beginStage(stage: Stage, scope: StageScope, source: SourceExcerpt): StageState {
  const parent = stage.parent === undefined ? undefined : scope.states.get(stage.parent);
  const draft = emptyState(stage, scope, parent);
  const name = (ref: string) =>
    nextStepName(`FROM ${ref}`, draft, { request: scope.request, step: { isTrigger: false } });
  const start: StageStart =
    parent === undefined
      ? beginning(stage, scope, name, source)
      : {
          root: parent.root,
          image: { ...finishedImage(parent.image), author: parent.image.author ?? '' },
          platform: parent.platform,
        };
  const isBuiltOn = stage.from !== undefined && stage.replacement === undefined;
  const state: StageState = {
    ...draft,
    ...start,
    root: isBuiltOn ? buildableRoot(start.root) : start.root,
    image: draftOf(start.image),
    stepsNamed: draft.stepsNamed,
  };
  for (const variable of state.image.env.entries) {
    const equals = variable.indexOf('=');
    if (equals < 0) setLast(state.env, variable, '');
    else setLast(state.env, variable.slice(0, equals), variable.slice(equals + 1));
  }
  if (state.image.config.WorkingDir) enterFolder(state.image.config.WorkingDir, state);
  if (state.image.config.User) state.user = state.image.config.User;
  return state;
}

function emptyState(stage: Stage, { request }: StageScope, parent: StageState | undefined): StageState {
  const steps = stage.steps.filter(({ instruction }) => NAMED.has(instruction.kind)).length;
  const hasBase = stage.from !== undefined && stage.parent === undefined && stage.baseName !== 'scratch';
  return {
    stage,
    platform: platformOf(stage, request),
    root: 'scratch',
    env: new Map(parent?.env),
    workdir: '/',
    user: '',
    image: draftOf({
      architecture: '',
      os: '',
      config: {},
      history: [],
      rootfs: { type: 'layers', diff_ids: [] },
    }),
    buildArgs: [...(parent?.buildArgs ?? [])],
    hasWorkdir: parent?.hasWorkdir ?? false,
    lastSeen: new Map(),
    ignoreCache: isUncached(stage, request),
    stepsNamed: 0,
    stepCount: steps + (hasBase ? 1 : 0),
  };
}

/** The instructions that are numbered in step names. */
const NAMED: ReadonlySet<string> = new Set(['add', 'copy', 'run', 'workdir']);

function isUncached({ name }: Stage, { noCache }: FrontendRequest): boolean {
  if (noCache === 'all') return true;
  return name !== undefined && noCache.some((stage) => stage.toLowerCase() === name);
}

function beginning(
  stage: Stage,
  { request }: StageScope,
  name: (ref: string) => string,
  source?: SourceExcerpt,
): StageStart {
  if (stage.base === undefined) throw new Error(`internal: the base ${stage.baseName} was not resolved`);
  const start = withoutImage(stage, startOf(stage.base, platformOf(stage, request), name));
  if (source === undefined || start.root === 'scratch') return start;
  return { ...start, root: { ...start.root, options: { ...start.root.options, stage: stage.label, source } } };
}

/** Of `--platform`, which BuildKit does not heed where there is no image to choose. */
function platformOf({ platform, base }: Stage, request: FrontendRequest): Platform {
  return base?.kind === 'scratch' || platform === undefined ? request.platform : platform;
}

/** A stage that files stand in for has no image config in BuildKit, not even an architecture, unless the request asks for one. */
function withoutImage({ base, replacement }: Stage, start: StageStart): StageStart {
  if (base?.kind !== 'files' || replacement === undefined) return start;
  const { variant: _variant, ...image } = start.image;
  return { ...start, image: { ...image, architecture: '', config: {} } };
}
