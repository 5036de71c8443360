import { isatty } from 'node:tty';
import { SlipwayError } from '../core/errors.ts';
import type { ListedStep } from '../enter-failed-step.ts';
import { printableLine } from '../progress/printable.ts';
import { BUILD_OPTIONS } from './build-options.ts';
import type { CommandShape } from './parse-arguments.ts';
import { print, runOnRequest } from './run-on-request.ts';

const TAKEN = ['allow', 'debug', 'isolation', 'oci-runtime', 'root'];

const SHELL_COMMAND: CommandShape = {
  name: 'shell',
  description:
    'Opens a shell in a RUN step that failed: in its files, environment, user and mounts, without secrets, ssh agents and build contexts. ' +
    'STEP is the id of a failed step, or @last, which is the default. What the shell changes is thrown away.',
  options: [
    { name: 'list', kind: 'switch', help: 'list the failed steps that are kept, the newest first, and open none' },
    ...BUILD_OPTIONS.filter(({ name }) => TAKEN.includes(name)),
  ],
  operand: { name: 'STEP', otherwise: '@last' },
};

/** `slipway shell`: resolves to the exit status, which is the shell's (1 where none could be opened, 2 the command line is wrong). */
export function runShellCommand(args: readonly string[]): Promise<number> {
  return runOnRequest(args, SHELL_COMMAND, async ({ request, operand, signal, ownOption }) => {
    if (ownOption('list') !== undefined) {
      const { listFailedSteps } = await import('../enter-failed-step.ts');
      await print(listFailedSteps(request.root).map(listLine).join(''));
      return 0;
    }
    if (!isatty(0) || !isatty(2))
      throw new SlipwayError(
        'SLIPWAY_TERMINAL_MISSING',
        'slipway shell needs a terminal for standard input and standard error',
        {
          hint: 'with docker or ssh, ask for one: docker run -it, ssh -t',
        },
      );
    const { enterFailedStep } = await import('../enter-failed-step.ts');
    return enterFailedStep(request, {
      signal,
      step: operand,
      onOpen: ({ id, description, omitted }) => {
        const lines = [`${id}: ${description}`, ...omitted.map((what) => `not there: ${what}`)];
        process.stderr.write(lines.map((line) => `${printableLine(line)}\n`).join(''));
      },
    });
  });
}

function listLine({ id, createdAt, description }: ListedStep): string {
  const time = new Date(createdAt).toISOString().slice(0, 'YYYY-MM-DDThh:mm'.length).replace('T', ' ');
  return `${id}  ${time} UTC  ${printableLine(description)}\n`;
}
