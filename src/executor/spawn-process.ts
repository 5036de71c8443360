import { once } from 'node:events';
import { closeSync } from 'node:fs';
import { Socket } from 'node:net';
import { errnoOf } from '../core/errors.ts';
import { containerSyscalls } from './container-syscalls.ts';
import { requireProgram } from './oci-runtime.ts';
import { processSyscalls } from './process-syscalls.ts';

/** How a program is started. */
export interface SpawnOptions {
  /** The descriptors of this process that are its 0, 1, 2 and so on; they stay open here. */
  readonly descriptors: readonly number[];
  /** Whether it shares the user's terminal. */
  readonly session: 'own' | 'shared';
  readonly env?: Readonly<Record<string, string>>;
}

/** A child of this process. */
export interface SpawnedProcess {
  readonly pid: number;
  /** Its exit status, 128 and the number for one that a signal ended; undefined while it runs. */
  status(): number | undefined;
  /** Blocks until it has ended. */
  wait(): number;
  /** Has no effect when it has ended. */
  kill(signal: NodeJS.Signals): void;
}

/** A child whose end is noticed. It keeps this process alive unless it is told not to. */
export interface WatchedProcess extends SpawnedProcess {
  /** Resolves with its status. */
  readonly ended: Promise<number>;
  ref(): void;
  unref(): void;
}

/** A command that the kernel kills with the thread that starts it. */
export function tied(command: readonly string[]): readonly string[] {
  return [requireProgram('setpriv'), '--pdeathsig', 'KILL', '--', ...command];
}

/** Starts a program by its absolute path, in the folder `/`. Throws an Error with `code` where that fails. */
export function spawnProcess(args: readonly string[], options: SpawnOptions): SpawnedProcess {
  return spawn(args, options, options.descriptors);
}

/** The same for a program that keeps the descriptors that it has been given, one more than it knows of: the end of that pipe is its end. */
export function spawnWatched(args: readonly string[], options: SpawnOptions): WatchedProcess {
  const { read, write } = containerSyscalls().pipe();
  const child = spawn(args, options, [...options.descriptors, write]);
  closeSync(write);
  const life = new Socket({ fd: read, readable: true, writable: false });
  life.resume();
  const ended = once(life, 'close').then(() => child.wait());
  return { ...child, ended, ref: () => void life.ref(), unref: () => void life.unref() };
}

function spawn(
  args: readonly string[],
  { session, env }: SpawnOptions,
  descriptors: readonly number[],
): SpawnedProcess {
  const calls = processSyscalls();
  // Nothing of the user's environment: it may hold credentials.
  const variables = { PATH: '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin', ...env };
  const pid = calls.spawn({
    args,
    env: Object.entries(variables).map(([name, value]) => `${name}=${value}`),
    descriptors,
    ownSession: session === 'own',
  });
  let known: number | undefined;
  const status = () => {
    known ??= calls.poll(pid);
    return known;
  };
  return {
    pid,
    status,
    wait: () => {
      known ??= calls.wait(pid);
      return known;
    },
    kill: (signal) => {
      if (status() === undefined) sendSignal(pid, signal);
    },
  };
}

/** To whatever process has that number; one that is gone is left alone. */
export function sendSignal(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal);
  } catch (error) {
    if (errnoOf(error) !== 'ESRCH') throw error;
  }
}
