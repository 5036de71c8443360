import { closeSync, constants, openSync } from 'node:fs';
import { ReadStream } from 'node:tty';
import { errnoOf } from '../../core/errors.ts';
import { terminalSyscalls } from './terminal-syscalls.ts';
import { USER_TERMINAL, userTerminalSize } from './user-terminal.ts';

/** A terminal for one container. Its processes have `slave`; they cannot reach the user's own terminal. */
export interface PseudoTerminal extends Disposable {
  /** A descriptor for whoever is to read and write there. The caller closes it when it was handed on. */
  readonly slave: number;
  /** The slave's file on this machine. */
  readonly path: string;
  /**
   * Passes on what the user types and what is written, with the terminal's size, until it is disposed. Once only. The user's terminal is in
   * raw mode then, which is the caller's to undo.
   */
  connect(): Disposable;
}

/** Makes one. Disposing hangs it up. */
export function openPseudoTerminal(): PseudoTerminal {
  const flags = constants.O_RDWR | constants.O_NOCTTY;
  const master = openSync('/dev/ptmx', flags);
  const path = `/dev/pts/${terminalSyscalls().unlock(master)}`;
  const slave = openSync(path, flags);
  let isConnected = false;
  return {
    slave,
    path,
    connect: () => {
      isConnected = true;
      return connect(master);
    },
    [Symbol.dispose]: () => {
      // A connection closes it itself.
      if (!isConnected) closeSync(master);
    },
  };
}

function connect(master: number): Disposable {
  // Also written to: a stream of a terminal's descriptor goes both ways.
  const container = new ReadStream(master);
  const { stdin, stderr } = process;
  const resize = () => terminalSyscalls().resize(master, userTerminalSize());
  const type = (data: Buffer) => void container.write(data);
  container.on('data', (data) => void stderr.write(data));
  container.on('error', (error) => {
    // How a terminal ends whose last process has gone.
    if (errnoOf(error) !== 'EIO') throw error;
  });
  resize();
  stderr.on('resize', resize);
  // Node's raw mode would add a carriage return to those that the container's terminal adds.
  terminalSyscalls().makeRaw(USER_TERMINAL.input);
  stdin.on('data', type);
  return {
    [Symbol.dispose]: () => {
      stdin.off('data', type);
      stdin.pause();
      stderr.off('resize', resize);
      container.destroy();
    },
  };
}
