import { SlipwayError } from '../../core/errors.ts';
import { commandFailure, commandMissing, commandRefused } from '../runtime-failure.ts';
import type { ContainerEnd } from '../waiting-process.ts';
import { parseReport } from './init-report.ts';

/** The error for a step that an init of slipway's did not end with status 0; `executor` is its name. */
export function initFailure(
  executor: 'native' | 'chroot',
  args: readonly string[],
  { status, report }: ContainerEnd,
): SlipwayError {
  const command = args[0] ?? '';
  const { last, text } = parseReport(report);
  switch (last?.event) {
    case 'ready':
      return commandFailure(args, status);
    case 'not-executed':
      return notExecuted(executor, command, last.code);
    case 'failed':
      return notMade(executor, command, last.message);
    case undefined:
      return notMade(executor, command, text === '' ? `its first process ended with status ${status}` : text);
    default: {
      const unknown: never = last;
      throw new Error(`internal: report ${JSON.stringify(unknown)}`);
    }
  }
}

function notExecuted(executor: string, command: string, code: string): SlipwayError {
  switch (code) {
    case 'ENOENT':
    case 'ENOTDIR':
      return commandMissing(command);
    case 'EACCES':
    case 'EPERM':
      return commandRefused(command, 'permission denied');
    case 'ENOEXEC':
      return commandRefused(command, 'exec format error');
    case 'E2BIG':
      return commandRefused(command, 'the arguments and the environment are too long');
    default:
      return notMade(executor, command, `execve: ${code}`);
  }
}

function notMade(executor: string, command: string, problem: string): SlipwayError {
  const hint = HINTS.find(({ words }) => words.test(problem))?.hint;
  return new SlipwayError(
    'SLIPWAY_RUNTIME_FAILED',
    `the ${executor} executor could not start "${command}": ${problem}`,
    hint === undefined ? {} : { hint },
  );
}

const HINTS = [
  {
    words: /^ENOSYS|: ENOSYS/,
    hint: 'it needs Linux 5.12 or later; --isolation oci with crun or runc runs on older ones',
  },
  {
    words: /EPERM|Operation not permitted/,
    hint: 'a container, seccomp or AppArmor profile around slipway forbids namespaces or mounts; --isolation chroot needs neither',
  },
] as const;
