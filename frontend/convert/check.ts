import { SlipwayError } from '../../src/core/errors.ts';
import type { ImageResolver } from '../../src/core/image-source.ts';
import type { FrontendRequest, LintWarning } from '../frontend.ts';
import { planStages } from '../stages/plan-stages.ts';
import { withEpochArgument } from '../stages/source-date-epoch.ts';
import { convertReachable, readDockerfile } from './convert.ts';

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
  let warnings: readonly LintWarning[] = [];
  try {
    const request = withEpochArgument(original);
    const { dockerfile, linter } = readDockerfile(request);
    warnings = linter.warnings;
    const plan = planStages({ dockerfile, request, linter });
    const roots = request.target ? [plan.target] : plan.stages;
    await convertReachable(plan, roots, { dockerfile, request, linter, images, signal });
    linter.throwIfFatal();
    return { warnings };
  } catch (error) {
    if (error instanceof SlipwayError) return { warnings, error };
    throw error;
  }
}
