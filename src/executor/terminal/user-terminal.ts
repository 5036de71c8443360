import { isatty } from 'node:tty';
import { type TerminalSize, terminalSyscalls } from './terminal-syscalls.ts';

/** Where a shell reads what the user types, and where it writes: standard output may be a file that a build writes. */
export const USER_TERMINAL = { input: 0, output: 2 } as const;

/** Whether somebody can be shown a shell. */
export function hasUserTerminal(): boolean {
  return isatty(USER_TERMINAL.input) && isatty(USER_TERMINAL.output);
}

export function userTerminalSize(): TerminalSize {
  const { rows = 24, columns = 80 } = process.stderr;
  return { rows, columns };
}

/** Disposing gives the user's terminal the modes back that it has now: what used it may have been killed before it could. */
export function keepTerminalModes(): Disposable {
  const modes = terminalSyscalls().modes(USER_TERMINAL.input);
  return { [Symbol.dispose]: () => terminalSyscalls().setModes(USER_TERMINAL.input, modes) };
}
