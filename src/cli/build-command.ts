import type { BuildOptions, BuildOutcome, BuildRequest } from '../build.ts';
import { SlipwayError } from '../core/errors.ts';
import { openRenderer } from '../progress/progress-renderer.ts';
import { buildRequest, type CommandSettings } from './build-request.ts';
import { errorReport } from './error-report.ts';
import { INTERRUPTED, watchInterruption } from './interruption.ts';
import { parseArguments } from './parse-arguments.ts';
import { replaceFile } from './replace-file.ts';

type Build = (request: BuildRequest, options: BuildOptions) => Promise<BuildOutcome>;

/** `slipway build`: resolves to the exit status (0 built, 1 failed, 2 the command line is wrong, 130 interrupted). */
export async function runBuildCommand(args: readonly string[], loadBuild: () => Promise<Build> = loadedBuild) {
  tolerateClosedPipes();
  let settings: CommandSettings | undefined;
  using interruption = watchInterruption();
  try {
    const parsed = parseArguments(args);
    if (parsed.kind === 'help') {
      process.stdout.write(parsed.text);
      return 0;
    }
    const defaultRoot = await enterOwnNamespace();
    const understood = buildRequest(parsed.arguments, { env: process.env, cwd: process.cwd(), defaultRoot });
    settings = understood.settings;
    const request = withStdin(understood.request);
    await report(await renderedBuild(await loadBuild(), request, settings, interruption.signal), settings);
    return 0;
  } catch (error) {
    return reportFailure(error, interruption.signal, settings?.debug ?? args.includes('--debug'));
  }
}

/** Opening standard input takes 4 ms, so only who reads it has it. */
function withStdin(request: BuildRequest): BuildRequest {
  return request.context === '-' || request.file === '-' ? { ...request, stdin: process.stdin } : request;
}

/** Goes on as root of a user namespace where this user is not root. Returns the folder of the user's store. */
async function enterOwnNamespace(): Promise<string> {
  if (process.geteuid?.() === 0 && process.env.SLIPWAY_ROOTLESS_UID === undefined) return '/var/lib/slipway';
  const { defaultStoreRoot, ensureUserNamespace } = await import('../executor/rootless.ts');
  await ensureUserNamespace();
  return defaultStoreRoot(process.env);
}

async function loadedBuild(): Promise<Build> {
  return (await import('../build.ts')).build;
}

async function renderedBuild(
  build: Build,
  request: BuildRequest,
  settings: CommandSettings,
  signal: AbortSignal,
): Promise<BuildOutcome> {
  const mode = settings.progress === 'none' ? 'quiet' : settings.progress;
  const renderer = await openRenderer(mode, process.stderr, process.env);
  const restore = () => renderer.close();
  process.on('exit', restore);
  try {
    return await build(request, { signal, stdout: process.stdout, onEvent: (event) => renderer.emit(event) });
  } finally {
    renderer.close();
    process.off('exit', restore);
  }
}

async function report(outcome: BuildOutcome, settings: CommandSettings): Promise<void> {
  const id = outcome.imageId ?? outcome.digest;
  if (settings.iidfile !== undefined) replaceFile('--iidfile', settings.iidfile, id ?? '');
  if (settings.metadataFile !== undefined)
    replaceFile('--metadata-file', settings.metadataFile, `${JSON.stringify(outcome.metadata, undefined, 2)}\n`);
  if (settings.quiet && id !== undefined) await print(id);
}

function reportFailure(error: unknown, signal: AbortSignal, debug: boolean): number {
  if (signal.aborted) {
    process.stderr.write('error: interrupted\n');
    return INTERRUPTED;
  }
  process.stderr.write(errorReport(error, { debug }));
  return error instanceof SlipwayError && error.code.startsWith('SLIPWAY_OPTION_') ? 2 : 1;
}

/**
 * Whoever reads the output may stop reading, or have no space for it. Progress is then dropped; what is written to standard output fails by the
 * answer to its own write, so that no error has to come out of the stream itself.
 */
function tolerateClosedPipes(): void {
  for (const stream of [process.stdout, process.stderr]) stream.on('error', () => {});
}

function print(line: string): Promise<void> {
  return new Promise((resolve, reject) => {
    process.stdout.write(`${line}\n`, (error) => (error ? reject(error) : resolve()));
  });
}
