import type { BuildOptions, BuildOutcome, BuildRequest } from '../build.ts';
import { replaceFile } from '../replace-file.ts';
import type { CommandSettings } from './build-request.ts';
import { errorReport } from './error-report.ts';
import type { Call } from './options/call.ts';
import { BUILD_COMMAND } from './parse-arguments.ts';
import { print, type RequestScope, runOnRequest } from './run-on-request.ts';

type Build = (request: BuildRequest, options: BuildOptions) => Promise<BuildOutcome>;

/**
 * `slipway build`: resolves to the exit status (0 built, 1 failed or a check found something, 2 the command line is wrong, 130
 * interrupted).
 */
export function runBuildCommand(args: readonly string[], loadBuild: () => Promise<Build> = loadedBuild) {
  return runOnRequest(args, BUILD_COMMAND, async (scope) => {
    const { request, settings, rendered } = scope;
    if (settings.call !== undefined) return runCall(settings.call, scope);
    const build = await loadBuild();
    await report(await rendered((options) => build(request, options)), settings);
    return 0;
  });
}

async function loadedBuild(): Promise<Build> {
  const [{ build }, { limitHeapGrowth }] = await Promise.all([import('../build.ts'), import('./heap-growth.ts')]);
  limitHeapGrowth();
  return build;
}

/** Prints the answer as docker buildx does. */
async function runCall(
  { method, format, ignoreStatus }: Call,
  { request, settings, rendered }: RequestScope,
): Promise<number> {
  const { evaluate } = await import('../evaluate.ts');
  const { isClean, text, json, error } = await rendered((options) => evaluate(request, method, options));
  await print(format === 'json' ? `${JSON.stringify(json, undefined, 2)}\n` : text);
  if (error !== undefined) process.stderr.write(errorReport(error, { debug: settings.debug }));
  return error !== undefined || (!isClean && !ignoreStatus) ? 1 : 0;
}

async function report(outcome: BuildOutcome, settings: CommandSettings): Promise<void> {
  const id = outcome.imageId ?? outcome.digest;
  if (settings.iidfile !== undefined) replaceFile('--iidfile', settings.iidfile, id ?? '');
  if (settings.metadataFile !== undefined)
    replaceFile('--metadata-file', settings.metadataFile, `${JSON.stringify(outcome.metadata, undefined, 2)}\n`);
  if (settings.quiet && id !== undefined) await print(`${id}\n`);
}
