import { SlipwayError } from '../core/errors.ts';

/**
 * The error for a step that did not end with status 0. `log` is the runtime's own (JSON lines); what it holds of errors means
 * that the command was not started, and says why.
 */
export function runtimeFailure(args: readonly string[], status: number, log: string): SlipwayError {
  const problem = runtimeErrors(log).at(-1);
  if (problem === undefined) return commandFailure(args, status);
  const command = args[0] ?? '';
  if (/executable file .*not found|no such file or directory/i.test(problem) && /exec|executable/i.test(problem)) {
    return commandMissing(command);
  }
  if (
    /permission denied|not permitted|exec format error|is a directory/i.test(problem) &&
    /exec|executable/i.test(problem)
  ) {
    const reason = /permission denied|not permitted/i.test(problem) ? 'permission denied' : tail(problem);
    return commandRefused(command, reason);
  }
  return new SlipwayError('SLIPWAY_RUNTIME_FAILED', `the OCI runtime could not start "${command}": ${problem}`);
}

/** The command is not in the root, or not what it needs to be started: exit code 127. */
export function commandMissing(command: string): SlipwayError {
  return new SlipwayError('SLIPWAY_RUN_FAILED', `cannot start "${command}": not found in the image`, {
    exitCode: 127,
    hint: command.includes('/')
      ? `the image has no ${command}, or not the interpreter or dynamic loader that it names`
      : `no folder of the step's PATH has ${command}`,
  });
}

/** The kernel does not execute the command: exit code 126. */
export function commandRefused(command: string, reason: string): SlipwayError {
  return new SlipwayError('SLIPWAY_RUN_FAILED', `cannot start "${command}": ${reason}`, { exitCode: 126 });
}

/** The command was started, and ended with a status other than 0. */
export function commandFailure(args: readonly string[], status: number): SlipwayError {
  const command = args.join(' ');
  const how = status > 128 && status <= 192 ? `was killed by signal ${status - 128}` : `exited with code ${status}`;
  return new SlipwayError('SLIPWAY_RUN_FAILED', `"${command}" ${how}`, { exitCode: status });
}

function runtimeErrors(log: string): string[] {
  return log.split('\n').flatMap((line) => {
    const entry = parseEntry(line);
    return entry?.level === 'error' || entry?.level === 'fatal' ? [entry.msg] : [];
  });
}

/** A line that is no JSON (a runtime that was killed while it wrote) tells nothing. */
function parseEntry(line: string): { readonly level: string; readonly msg: string } | undefined {
  if (!line.startsWith('{') || !line.endsWith('}')) return undefined;
  try {
    const { level, msg } = JSON.parse(line) as { readonly level?: unknown; readonly msg?: unknown };
    return typeof level === 'string' && typeof msg === 'string' ? { level, msg } : undefined;
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}

function tail(problem: string): string {
  return problem.slice(problem.lastIndexOf(': ') + 2);
}
