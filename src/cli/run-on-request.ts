import { isatty } from 'node:tty';
import type { BuildOptions, BuildRequest } from '../build.ts';
import { SlipwayError } from '../core/errors.ts';
import { printableLine } from '../progress/printable.ts';
import { openRenderer, type ProgressRenderer } from '../progress/progress-renderer.ts';
import { buildRequest, type CommandSettings } from './build-request.ts';
import { errorReport } from './error-report.ts';
import { INTERRUPTED, watchInterruption } from './interruption.ts';
import { type CommandShape, parseArguments } from './parse-arguments.ts';

/** What a command that takes a build's options works with. */
export interface RequestScope {
  readonly request: BuildRequest;
  readonly settings: CommandSettings;
  /** What stood behind the options: the CONTEXT, or what else the command takes. */
  readonly operand: string;
  /** The last value of an option that is the command's own. */
  readonly ownOption: (name: string) => string | undefined;
  /** All of its values. */
  readonly ownOptions: (name: string) => readonly string[];
  /** Aborts when the process is asked to end. */
  readonly signal: AbortSignal;
  /** Does something that has progress, and shows it on standard error. */
  readonly rendered: <Result>(work: (options: BuildOptions) => Promise<Result>) => Promise<Result>;
}

/**
 * Understands the arguments of such a command, does what it is for, and reports a failure. Resolves to the exit status: that of `act`, or
 * 1 failed, 2 the command line is wrong, 130 interrupted.
 */
export async function runOnRequest(
  args: readonly string[],
  shape: CommandShape,
  act: (scope: RequestScope) => Promise<number>,
): Promise<number> {
  tolerateClosedPipes();
  let settings: CommandSettings | undefined;
  using interruption = watchInterruption();
  try {
    const parsed = parseArguments(args, shape);
    if (parsed.kind === 'help') {
      process.stdout.write(parsed.text);
      return 0;
    }
    const defaultRoot = await enterOwnNamespace();
    const understood = buildRequest(parsed.arguments, { env: process.env, cwd: process.cwd(), defaultRoot });
    settings = understood.settings;
    return await act({
      request: withStdin(understood.request),
      settings,
      operand: parsed.arguments.context,
      signal: interruption.signal,
      ownOption: (name) => parsed.arguments.options.get(name)?.at(-1),
      ownOptions: (name) => parsed.arguments.options.get(name) ?? [],
      rendered: (work) => rendered(work, understood.settings, interruption.signal),
    });
  } catch (error) {
    return reportFailure(error, interruption.signal, settings?.debug ?? args.includes('--debug'));
  }
}

/** Writes a result; rejects where nobody takes it. */
export function print(text: string): Promise<void> {
  return new Promise((resolve, reject) => {
    process.stdout.write(text, (error) => (error ? reject(error) : resolve()));
  });
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

async function rendered<Result>(
  work: (options: BuildOptions) => Promise<Result>,
  settings: CommandSettings,
  signal: AbortSignal,
): Promise<Result> {
  const mode = settings.progress === 'none' ? 'quiet' : settings.progress;
  const renderer = await openRenderer(mode, process.stderr, process.env);
  const restore = () => renderer.close();
  process.on('exit', restore);
  try {
    const { lendTerminal, onEvent } = terminalSharing(renderer);
    const lending = settings.shellOnFailure && isatty(0) && isatty(2) ? { lendTerminal } : {};
    return await work({ signal, stdout: process.stdout, onEvent, ...lending });
  } finally {
    renderer.close();
    process.off('exit', restore);
  }
}

/** The progress has the terminal until a shell is opened in it, and not again: what comes after that is the failure. */
function terminalSharing(renderer: ProgressRenderer): Required<Pick<BuildOptions, 'lendTerminal' | 'onEvent'>> {
  let isLent = false;
  return {
    onEvent: (event) => {
      if (!isLent) renderer.emit(event);
    },
    lendTerminal: async (why, use) => {
      if (isLent) return;
      isLent = true;
      renderer.close();
      const what = printableLine(why.message.replaceAll('\n', ' '));
      process.stderr.write(
        `${what}\nThis is a shell where it failed; what it changes is thrown away. exit ends the build.\n`,
      );
      await use();
    },
  };
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
  for (const stream of [process.stdout, process.stderr])
    if (!stream.listeners('error').includes(drop)) stream.on('error', drop);
}

function drop(): void {}
