import { checkDockerfile } from '../frontend/convert/check.ts';
import { convert } from '../frontend/convert/convert.ts';
import type { FrontendRequest } from '../frontend/frontend.ts';
import { checkJson, formatCheck } from '../frontend/lint/format-check.ts';
import { formatOutline, formatTargets, outlineJson, targetsJson } from '../frontend/outline/format.ts';
import { outlineDockerfile } from '../frontend/outline/outline.ts';
import { listTargets } from '../frontend/outline/targets.ts';
import { withEpoch } from './build.ts';
import type { BuildOptions, BuildRequest } from './build-request.ts';
import { contextEpoch } from './context/context-epoch.ts';
import { openBuildInput } from './context/open-build-input.ts';
import type { SlipwayError } from './core/errors.ts';
import type { ImageResolver } from './core/image-source.ts';
import { parsePlatform } from './core/platform.ts';
import type { ProgressSink } from './core/progress.ts';
import { emitWarnings } from './emit-warnings.ts';
import { openEngine } from './engine.ts';
import { frontendRequest } from './frontend-request.ts';
import { type BuildGraph, graphOf } from './graph.ts';

/** What can be asked of a build without running it: `--call`. */
export type EvaluationMethod = 'check' | 'outline' | 'targets';

/** An answer, in the forms that BuildKit's client prints. */
export interface Evaluation {
  /** False for a check that found something. */
  readonly isClean: boolean;
  readonly text: string;
  /** A JSON value; the structures are BuildKit's. */
  readonly json: unknown;
  /** What a build would fail with, where a check finds out. */
  readonly error?: SlipwayError;
}

/**
 * Checks a Dockerfile, or lists what a build of it can be told, for the first of the platforms. Nothing is run or fetched but the configs of
 * base images. Rejects like `build`; a failure that a check finds is part of its answer.
 */
export function evaluate(
  request: BuildRequest,
  method: EvaluationMethod,
  options: BuildOptions = {},
): Promise<Evaluation> {
  return withFrontend(request, options, async ({ requests, images, progress, signal }) => {
    const [first] = requests;
    if (first === undefined) throw new Error('internal: a build is for one platform at least');
    switch (method) {
      case 'check': {
        const result = await checkDockerfile(first, images, signal);
        const { warnings, error } = result;
        const failure = error === undefined ? {} : { error };
        const json = checkJson(first.dockerfile, result);
        return { isClean: warnings.length === 0, text: formatCheck(result), json, ...failure };
      }
      case 'outline': {
        const outline = await outlineDockerfile(first, images, signal);
        emitWarnings(outline.warnings, progress);
        return { isClean: true, text: formatOutline(outline), json: outlineJson(outline, first.dockerfile) };
      }
      case 'targets': {
        const targets = listTargets(first.dockerfile);
        return { isClean: true, text: formatTargets(targets), json: targetsJson(targets, first.dockerfile) };
      }
      default:
        return method satisfies never;
    }
  });
}

/** The vertices of a build for all of its platforms, without running any. Rejects like `build`. */
export function buildGraph(request: BuildRequest, options: BuildOptions = {}): Promise<BuildGraph> {
  return withFrontend(request, options, async ({ requests, images, progress, signal }) => {
    const definitions = await Promise.all(requests.map((one) => convert(one, images, signal)));
    emitWarnings(
      definitions.flatMap(({ warnings }) => warnings),
      progress,
    );
    return graphOf(definitions);
  });
}

interface FrontendScope {
  /** One for each platform. */
  readonly requests: readonly FrontendRequest[];
  readonly images: ImageResolver;
  readonly progress: ProgressSink;
  readonly signal: AbortSignal;
}

/** The first steps of a build: engine, context, Dockerfile. */
async function withFrontend<Result>(
  request: BuildRequest,
  { signal = new AbortController().signal, onEvent = () => {}, stdout = process.stdout }: BuildOptions,
  use: (scope: FrontendScope) => Promise<Result>,
): Promise<Result> {
  signal.throwIfAborted();
  const progress: ProgressSink = { emit: onEvent };
  using engine = openEngine({ request, progress, signal, stdout });
  const input = await openBuildInput(request, engine.contextServices);
  await using _context = input.context;
  const platforms = request.platforms.length > 0 ? request.platforms.map(parsePlatform) : [undefined];
  const dated = withEpoch(request, await contextEpoch(request, input.context, signal));
  const requests = platforms.map((platform) => frontendRequest(dated, input, platform));
  return await use({ requests, images: engine.images.resolver, progress, signal });
}
