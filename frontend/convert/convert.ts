import type { ImageResolver } from '../../src/core/image-source.ts';
import { normalise } from '../../src/core/platform.ts';
import type { Convert, Definition, FrontendRequest } from '../frontend.ts';
import type { Dockerfile } from '../instructions/instruction.ts';
import { checkInstructions } from '../lint/check-instructions.ts';
import { parseCheckOptions } from '../lint/check-options.ts';
import { createLinter, type Linter } from '../lint/linter.ts';
import { parseDockerfile } from '../parser/parse-dockerfile.ts';
import { planStages } from '../stages/plan-stages.ts';
import { resolveBases } from '../stages/resolve-bases.ts';
import { withEpochArgument } from '../stages/source-date-epoch.ts';
import type { Stage, StagePlan } from '../stages/stage.ts';
import { convertStages } from './convert-stages.ts';
import { finishedImage, type ImageDraft } from './image-draft.ts';
import type { StageState } from './stage-state.ts';

/**
 * Dockerfile text to vertices and image config, by the rules of BuildKit's frontend: parse, check, plan stages, resolve bases (the only
 * step that reaches outside, through `images`), carry out the stages on paper.
 */
export const convert: Convert = async (original, images, signal) => {
  const request = withEpochArgument(original);
  const { dockerfile, linter } = readDockerfile(request);
  const plan = planStages({ dockerfile, request, linter });
  const states = await convertReachable(plan, [plan.target], { dockerfile, request, linter, images, signal });
  linter.throwIfFatal();
  return definitionOf(plan, stateOf(plan.target, states), { request, linter });
};

/** A parsed Dockerfile, and a linter that has looked at its text. */
export function readDockerfile({ dockerfile: { name, text }, buildArgs }: FrontendRequest): {
  readonly dockerfile: Dockerfile;
  readonly linter: Linter;
} {
  const dockerfile = parseDockerfile(name, text);
  const linter = createLinter(
    dockerfile.text,
    parseCheckOptions(buildArgs.BUILDKIT_DOCKERFILE_CHECK ?? dockerfile.check ?? ''),
  );
  for (const { rule, range } of dockerfile.findings)
    if (rule === 'NoEmptyContinuation') linter.report('NoEmptyContinuation', range);
  checkInstructions(dockerfile, linter);
  return { dockerfile, linter };
}

/** What conversion after planning is given. */
export interface ReachableScope {
  readonly dockerfile: Dockerfile;
  readonly request: FrontendRequest;
  readonly linter: Linter;
  readonly images: ImageResolver;
  readonly signal: AbortSignal;
}

/** Resolves and converts the roots and all that they need. */
export async function convertReachable(
  plan: StagePlan,
  roots: readonly Stage[],
  scope: ReachableScope,
): Promise<ReadonlyMap<Stage, StageState>> {
  const stages = await resolveBases(plan, { ...scope, roots });
  return convertStages(stages, { ...scope, globals: plan.globals });
}

function stateOf(stage: Stage, states: ReadonlyMap<Stage, StageState>): StageState {
  const state = states.get(stage);
  if (state === undefined) throw new Error(`internal: stage ${stage.label} was not converted`);
  return state;
}

function definitionOf(
  { globals: { epoch } }: StagePlan,
  { root, image, platform }: StageState,
  { request, linter }: Pick<ReachableScope, 'request' | 'linter'>,
): Definition {
  const labelled = { ...image, config: { ...image.config, Labels: { ...image.config.Labels, ...request.labels } } };
  return {
    root,
    config: finishedImage(request.implicitPlatform ? labelled : forPlatform(labelled, request)),
    warnings: linter.warnings,
    platform: request.implicitPlatform ? platform : request.platform,
    ...(epoch === undefined ? {} : { epoch }),
  };
}

/** The result says the platform that was asked for; what else the base says of its platform holds if it is the same. */
function forPlatform(image: ImageDraft, { platform }: FrontendRequest): ImageDraft {
  const isSame = platform.os === image.os && platform.architecture === image.architecture;
  const { variant, 'os.version': version, 'os.features': features, ...rest } = image;
  return {
    ...rest,
    ...normalise({
      ...(isSame && variant !== undefined ? { variant } : {}),
      ...(isSame && version !== undefined ? { 'os.version': version } : {}),
      ...(features === undefined ? {} : { 'os.features': features }),
      ...platform,
    }),
  };
}
