import { SlipwayError } from '../../src/core/errors.ts';
import type { ImageResolver } from '../../src/core/image-source.ts';
import { normalise } from '../../src/core/platform.ts';
import type { Conversion, Convert, Definition, FrontendRequest } from '../frontend.ts';
import { unusedBuildArgs } from '../lint/unused-build-args.ts';
import { predefinedArgs } from '../stages/global-args.ts';
import { planStages } from '../stages/plan-stages.ts';
import { resolveBases } from '../stages/resolve-bases.ts';
import type { Stage, StagePlan } from '../stages/stage.ts';
import { convertStages } from './convert-stages.ts';
import { finishedImage, type ImageDraft } from './image-draft.ts';
import { type ReadRequest, readRequest } from './read-request.ts';
import { buildableRoot } from './stage-roots.ts';
import type { StageState } from './stage-state.ts';

/**
 * Dockerfile text to vertices and image config, by the rules of BuildKit's frontend: parse, check, plan stages, resolve bases (the only
 * step that reaches outside, through `images`), carry out the stages on paper.
 */
export const convert: Convert = async (request, images, signal) => {
  return definitionIn(await attemptConversion(request, images, signal));
};

/** What came out, or the error thrown. */
export function definitionIn(conversion: Conversion): Definition {
  if ('error' in conversion) throw conversion.error;
  return conversion.definition;
}

/** The same, for those who show the warnings of a Dockerfile that cannot be converted. Throws what is no SlipwayError. */
export async function attemptConversion(
  original: FrontendRequest,
  images: ImageResolver,
  signal: AbortSignal,
): Promise<Conversion> {
  const reading = readRequest(original);
  const { dockerfile, linter, request } = reading;
  const instructions = new Set(dockerfile.instructions);
  const noticed = () => ({
    warnings: linter.warnings,
    unusedBuildArgs: unusedBuildArgs(request, instructions, predefinedArgs(request, undefined).keys()),
  });
  try {
    const plan = planStages(reading);
    const states = await convertReachable(plan, [plan.target], { ...reading, images, signal });
    for (const { steps } of plan.stages) for (const { instruction } of steps) instructions.add(instruction);
    linter.throwIfFatal();
    return { ...noticed(), definition: definitionOf(plan, stateOf(plan.target, states), reading) };
  } catch (error) {
    if (error instanceof SlipwayError) return { ...noticed(), error };
    throw error;
  }
}

/** What conversion after planning is given. */
export interface ReachableScope extends ReadRequest {
  readonly images: ImageResolver;
  readonly signal: AbortSignal;
}

/** Resolves and converts the roots and all that they need. Throws all problems that the Dockerfile has so far. */
export async function convertReachable(
  plan: StagePlan,
  roots: readonly Stage[],
  scope: ReachableScope,
): Promise<ReadonlyMap<Stage, StageState>> {
  const stages = await resolveBases(plan, { ...scope, roots });
  const states = convertStages(stages, { ...scope, globals: plan.globals });
  scope.problems.throwIfAny();
  return states;
}

function stateOf(stage: Stage, states: ReadonlyMap<Stage, StageState>): StageState {
  const state = states.get(stage);
  if (state === undefined) throw new Error(`internal: stage ${stage.label} was not converted`);
  return state;
}

function definitionOf(
  { globals: { epoch } }: StagePlan,
  { root, image, platform }: StageState,
  { request, linter }: ReadRequest,
): Definition {
  for (const [name, value] of Object.entries(request.labels)) image.labels.set(name, value);
  return {
    root: buildableRoot(root),
    config: finishedImage(request.implicitPlatform ? image : forPlatform(image, request)),
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
