import { closeSync, readFileSync } from 'node:fs';
import { Socket } from 'node:net';
import { errnoOf } from '../core/errors.ts';
import type { ProcessIO } from '../core/executor.ts';
import { endOfContainer, readOutput } from './container-process.ts';
import { containerSyscalls } from './container-syscalls.ts';
import { spawnWatched, tied } from './spawn-process.ts';

/** How a container ended, and everything that who made it had to say. */
export interface ContainerEnd {
  readonly status: number;
  readonly report: string;
}

/** What makes a container, started before there is one to make. Disposing ends it, and has no effect once it has a task. */
export interface WaitingProcess extends Disposable {
  /** Once only: gives it what it waits for. Resolves when every process of the container is gone. */
  run(task: string, io: ProcessIO, signal: AbortSignal): Promise<ContainerEnd>;
}

/** What a descriptor of a waiting process is; a number is a descriptor of this process, which stays open. */
export type WaitingDescriptor = 'stdin' | 'stdout' | 'stderr' | 'task' | 'report' | number;

export interface WaitingCommand {
  /** A program that makes PID namespaces, by its absolute path, and its arguments. */
  readonly args: readonly string[];
  /** From 0 on. The task ends with the end of its pipe, and standard input is at its end from the beginning. */
  readonly descriptors: readonly WaitingDescriptor[];
  /** How many processes below the program the container's command is. */
  readonly commandDepth: number;
  readonly env?: Readonly<Record<string, string>>;
}

/** Starts the command, which takes its time while this process goes on. It does not keep this process alive. */
export function startWaiting({ args, descriptors, commandDepth, env }: WaitingCommand): WaitingProcess {
  const { pipe } = containerSyscalls();
  // Standard input is no null device: crun would give the machine's own to the container's user.
  const pipes = { stdin: pipe(), stdout: pipe(), stderr: pipe(), task: pipe(), report: pipe() };
  const { stdin, stdout, stderr, task, report } = pipes;
  closeSync(stdin.write);
  const ends = { stdin: stdin.read, stdout: stdout.write, stderr: stderr.write, task: task.read, report: report.write };
  const child = spawnWatched(tied(args), {
    descriptors: descriptors.map((descriptor) => (typeof descriptor === 'number' ? descriptor : ends[descriptor])),
    // Ctrl-C reaches slipway alone, which then ends the container in its way.
    session: 'own',
    ...(env === undefined ? {} : { env }),
  });
  for (const fd of Object.values(ends)) closeSync(fd);
  child.unref();
  let isIdle = true;
  return {
    run: async (text, io, signal) => {
      isIdle = false;
      child.ref();
      sendTask(task.write, text);
      let isKilled = false;
      const takeStderr = (data: Uint8Array) => {
        // What comes after that is what `unshare` has to say about it.
        if (!isKilled) io.stderr(data);
      };
      const outputs = [readOutput(stdout.read, io.stdout.bind(io)), readOutput(stderr.read, takeStderr)];
      const onKill = () => {
        isKilled = true;
      };
      const status = await endOfContainer(child, commandDepth, { signal, onKill });
      await Promise.all(outputs);
      try {
        return { status, report: readFileSync(report.read, 'utf8') };
      } finally {
        closeSync(report.read);
      }
    },
    [Symbol.dispose]: () => {
      if (!isIdle) return;
      isIdle = false;
      for (const fd of [stdout.read, report.read, task.write, stderr.read]) closeSync(fd);
      // Without a task it would end by itself, but only when it has started.
      child.kill('SIGKILL');
    },
  };
}

/** Writes all of the task, whoever reads it and when, and closes the descriptor. */
export function sendTask(fd: number, text: string): void {
  const socket = new Socket({ fd, readable: false, writable: true });
  socket.on('error', (error) => {
    // It was killed before it read; its end is what counts.
    if (errnoOf(error) !== 'EPIPE') throw error;
  });
  socket.end(text);
}
