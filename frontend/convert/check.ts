import { SlipwayError } from '../../src/core/errors.ts';
import type { ImageResolver } from '../../src/core/image-source.ts';
import type { FrontendRequest, LintWarning } from '../frontend.ts';
import { planStages } from '../stages/plan-stages.ts';
import { convertReachable } from './convert.ts';
import { readRequest } from './read-request.ts';

/** What `--check` finds: warnings, and the error that a build would end with. */
export interface CheckResult {
  readonly warnings: readonly LintWarning[];
  readonly error?: SlipwayError;
}

/** Checks a Dockerfile without building it: the target and what it needs, or all stages where no target is named. */
export async function checkDockerfile(
  original: FrontendRequest,
  images: ImageResolver,
  signal: AbortSignal,
): Promise<CheckResult> {
  const reading = readRequest(original);
  const { request, linter } = reading;
  const { warnings } = linter;
  try {
    const plan = planStages(reading);
    const roots = request.target ? [plan.target] : plan.stages;
    await convertReachable(plan, roots, { ...reading, images, signal });
    linter.throwIfFatal();
    return { warnings };
  } catch (error) {
    if (error instanceof SlipwayError) return { warnings, error };
    throw error;
  }
}
