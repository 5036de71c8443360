import { once } from 'node:events';
import { closeSync, constants, openSync, readdirSync, readFileSync } from 'node:fs';
import { Socket } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { errnoOf } from '../core/errors.ts';
import type { ProcessIO } from '../core/executor.ts';
import { containerSyscalls } from './container-syscalls.ts';
import { requireProgram } from './oci-runtime.ts';
import { type SpawnOptions, sendSignal, spawnWatched, tied, type WatchedProcess } from './spawn-process.ts';
import { terminalSyscalls } from './terminal/terminal-syscalls.ts';
import { keepTerminalModes, USER_TERMINAL, userTerminalSize } from './terminal/user-terminal.ts';

/** How the runtime ended: its exit status, which is the container's own (128 + number for a signal). */
export interface ContainerExit {
  readonly status: number;
}

/** How long a container may take to end after SIGTERM. */
const TERM_GRACE_MS = 300;
/** Between `unshare` and the container's command there is the runtime. */
export const COMMAND_DEPTH = 2;
const SIGTERM_BIT = 1n << 14n;

/** How a runtime is started: its absolute path and arguments, and descriptors that it is given from 3 on. */
export interface RuntimeCommand {
  readonly args: readonly string[];
  readonly descriptors: readonly number[];
}

/**
 * Runs an OCI runtime in the foreground until its container and every process of it are gone. The runtime is the first process of a
 * pid namespace, and dies with this process: whichever way either ends, the kernel ends all that it started. An aborted `signal` sends SIGTERM to the container's command, then kills everything.
 */
export async function runContainer(
  command: RuntimeCommand,
  io: ProcessIO,
  signal: AbortSignal,
): Promise<ContainerExit> {
  const { pipe } = containerSyscalls();
  // Standard input is at its end, and no null device: crun would give the machine's own to the container's user.
  const [stdin, stdout, stderr] = [pipe(), pipe(), pipe()];
  closeSync(stdin.write);
  const child = spawnInNamespaces(command.args, {
    descriptors: [stdin.read, stdout.write, stderr.write, ...command.descriptors],
    // Ctrl-C reaches slipway alone, which then ends the container in its way.
    session: 'own',
  });
  for (const fd of [stdin.read, stdout.write, stderr.write]) closeSync(fd);
  let isKilled = false;
  const takeStderr = (data: Uint8Array) => {
    // What comes after that is what `unshare` has to say about it.
    if (!isKilled) io.stderr(data);
  };
  const outputs = [readOutput(stdout.read, io.stdout.bind(io)), readOutput(stderr.read, takeStderr)];
  const onKill = () => {
    isKilled = true;
  };
  const status = await endOfContainer(child, COMMAND_DEPTH, { signal, onKill });
  await Promise.all(outputs);
  return { status };
}

/**
 * The same for a container whose config.json asks for a terminal: the runtime connects that to standard input and standard error of this
 * process, which are left as they were found.
 */
export async function runContainerInTerminal(command: RuntimeCommand, signal: AbortSignal): Promise<ContainerExit> {
  using _modes = keepTerminalModes();
  const { input, output } = USER_TERMINAL;
  const child = spawnInNamespaces(command.args, {
    descriptors: [input, output, output, ...command.descriptors],
    // Not in the background, where it may not change the terminal's modes: Ctrl-C is but a character then.
    session: 'shared',
  });
  // crun before 1.8.7 does not.
  const resize = () => resizeTerminalOf(descendant(child.pid, COMMAND_DEPTH));
  process.stderr.on('resize', resize);
  try {
    return { status: await endOfContainer(child, COMMAND_DEPTH, { signal }) };
  } finally {
    process.stderr.off('resize', resize);
  }
}

/** Tells the terminal that is the process's standard input how large the user's is. */
function resizeTerminalOf(pid: number | undefined): void {
  try {
    const flags = constants.O_RDONLY | constants.O_NOCTTY | constants.O_NONBLOCK;
    const terminal = openSync(`/proc/${pid}/fd/0`, flags);
    try {
      terminalSyscalls().resize(terminal, userTerminalSize());
    } finally {
      closeSync(terminal);
    }
  } catch (error) {
    // It has gone, or reads from somewhere else by now.
    if (!['ENOENT', 'ENOTTY', 'ENXIO', 'EACCES'].includes(errnoOf(error) ?? '')) throw error;
  }
}

/**
 * Resolves to the exit status when a child is gone that makes a container whose command is `depth` processes below it. An aborted signal ends the
 * container, see `stopProcess`.
 */
export async function endOfContainer(
  child: WatchedProcess,
  depth: number,
  { signal, onKill }: { readonly signal: AbortSignal; readonly onKill?: () => void },
): Promise<number> {
  const stop = () => void stopProcess(child, depth, onKill);
  signal.addEventListener('abort', stop, { once: true });
  if (signal.aborted) stop();
  try {
    return await child.ended;
  } finally {
    signal.removeEventListener('abort', stop);
  }
}

/**
 * `unshare` stays as the parent of the namespace's first process. It dies with slipway and kills its child then; runtimes look their
 * own children up in /proc, so that is one of the new namespace.
 */
function spawnInNamespaces(command: readonly string[], options: SpawnOptions): WatchedProcess {
  const unshare = [requireProgram('unshare'), '--pid', '--fork', '--kill-child=KILL', '--mount-proc', '--'];
  return spawnWatched(tied([...unshare, ...command]), options);
}

/**
 * Takes everything that comes out of the pipe until it ends, and closes it. A real pipe, not the socket that Node would make: programs open
 * /dev/stdout and /dev/stderr, which a socket does not allow.
 */
export async function readOutput(fd: number, take: (data: Uint8Array) => void): Promise<void> {
  const socket = new Socket({ fd, readable: true, writable: false });
  socket.on('data', take);
  await once(socket, 'close');
}

/**
 * Ends a container. `child` is the `unshare` that made its PID namespace, of which the kernel lets nothing outlive the first process;
 * the container's command lies `depth` processes below `child` and is sent SIGTERM first. `onKill` is called if that was not enough.
 */
async function stopProcess(child: WatchedProcess, depth: number, onKill = () => {}): Promise<void> {
  const first = onlyChild(child.pid);
  const command = descendant(first, depth - 1);
  if (command !== undefined && catchesTerm(command)) {
    sendSignal(command, 'SIGTERM');
    await Promise.race([child.ended, delay(TERM_GRACE_MS, undefined, { ref: false })]);
  }
  if (child.status() !== undefined) return;
  onKill();
  // Before there is a first process there is nothing to wait for.
  sendSignal(first ?? onlyChild(child.pid) ?? child.pid, 'SIGKILL');
}

function descendant(pid: number | undefined, depth: number): number | undefined {
  return pid === undefined || depth === 0 ? pid : descendant(onlyChild(pid), depth - 1);
}

/** The one child of the process, whichever of its threads it comes from; runc has many. */
function onlyChild(pid: number | undefined): number | undefined {
  try {
    const children = readdirSync(`/proc/${pid}/task`).flatMap((thread) => {
      const list = readFileSync(`/proc/${pid}/task/${thread}/children`, 'utf8').trim();
      return list === '' ? [] : list.split(' ').map(Number);
    });
    return children.length === 1 ? children[0] : undefined;
  } catch (error) {
    if (errnoOf(error) === 'ENOENT' || errnoOf(error) === 'ESRCH') return undefined;
    throw error;
  }
}

/** The first process of a pid namespace is deaf to SIGTERM unless it has a handler: then there is nothing to wait for. */
function catchesTerm(pid: number): boolean {
  try {
    const caught = /^SigCgt:\s*([0-9a-f]+)$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1];
    return caught !== undefined && (BigInt(`0x${caught}`) & SIGTERM_BIT) !== 0n;
  } catch (error) {
    if (errnoOf(error) === 'ENOENT' || errnoOf(error) === 'ESRCH') return false;
    throw error;
  }
}
