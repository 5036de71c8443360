import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, existsSync, readFileSync } from 'node:fs';
import { Socket } from 'node:net';
import { fileURLToPath } from 'node:url';
import { errnoOf } from '../../core/errors.ts';
import type { ProcessIO } from '../../core/executor.ts';
import { exitStatus, readOutput, stopProcess } from '../container-process.ts';
import { containerSyscalls } from '../container-syscalls.ts';
import { requireProgram } from '../oci-runtime.ts';
import { openPseudoTerminal } from '../terminal/pseudo-terminal.ts';
import { keepTerminalModes } from '../terminal/user-terminal.ts';
import { type InitPlan, planText } from './init-plan.ts';

/** How a container ended, and everything that its init and what started it had to say. */
export interface InitExit {
  readonly status: number;
  readonly report: string;
}

/** A first process that waits for its plan, in a PID namespace of its own. Disposing ends it, and has no effect once it has a plan. */
export interface WaitingInit extends Disposable {
  /** Once only. Resolves when every process of the container is gone. */
  run(plan: InitPlan, io: ProcessIO, signal: AbortSignal): Promise<InitExit>;
}

/** Of the four processes between slipway and the container's command, how many lie above that. */
const COMMAND_DEPTH = 3;

/**
 * Runs a container whose config.json asks for a terminal, which is connected to that of standard input and standard error of this process.
 * Resolves when every process of the container is gone.
 */
export async function runInitInTerminal(plan: InitPlan, signal: AbortSignal): Promise<InitExit> {
  const { pipe } = containerSyscalls();
  using _modes = keepTerminalModes();
  using terminal = openPseudoTerminal();
  const [report, plans] = [pipe(), pipe()];
  const child = spawnInit([terminal.slave, report.write, plans.read, terminal.slave]);
  for (const fd of [terminal.slave, report.write, plans.read]) closeSync(fd);
  const ended = once(child, 'exit');
  sendPlan(plans.write, withConsole(plan, terminal.path));
  using _connection = terminal.connect();
  const status = await endOf(child, ended, signal);
  try {
    return { status, report: readFileSync(report.read, 'utf8') };
  } finally {
    closeSync(report.read);
  }
}

/** The terminal is of this machine's /dev/pts: in the container it has a name only where it is mounted. */
function withConsole({ spec, ...plan }: InitPlan, path: string): InitPlan {
  const mount = { destination: '/dev/console', type: 'none', source: path, options: ['bind', 'nosuid', 'noexec'] };
  return { ...plan, spec: { ...spec, mounts: [...spec.mounts, mount] } };
}

/** Starts an init, which takes its 30 ms of start-up while this process goes on. It does not keep this process alive. */
export function startInit(): WaitingInit {
  const { pipe } = containerSyscalls();
  const [stdout, report, plan, stderr] = [pipe(), pipe(), pipe(), pipe()];
  const child = spawnInit([stdout.write, report.write, plan.read, stderr.write]);
  for (const fd of [stdout.write, report.write, plan.read, stderr.write]) closeSync(fd);
  child.unref();
  const ended = once(child, 'exit');
  // Until somebody waits for it, a start that failed is nobody's error.
  ended.catch(() => {});
  let isIdle = true;
  return {
    run: async (given, io, signal) => {
      isIdle = false;
      child.ref();
      sendPlan(plan.write, given);
      const outputs = [readOutput(stdout.read, io.stdout.bind(io)), readOutput(stderr.read, io.stderr.bind(io))];
      const status = await endOf(child, ended, signal);
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
      for (const fd of [stdout.read, report.read, plan.write, stderr.read]) closeSync(fd);
      // Without a plan it would end by itself, but only when it has started.
      child.kill('SIGKILL');
    },
  };
}

async function endOf(child: ChildProcess, ended: Promise<unknown>, signal: AbortSignal): Promise<number> {
  const stop = () => void stopProcess(child, COMMAND_DEPTH);
  signal.addEventListener('abort', stop, { once: true });
  if (signal.aborted) stop();
  try {
    await ended;
    return exitStatus(child);
  } finally {
    signal.removeEventListener('abort', stop);
  }
}

/**
 * The outer PID namespace holds everything to slipway: its first process, a shell, never changes its user, as the command may (which makes the
 * kernel forget whose death it should die of), and when it goes, everything in the namespace does. It also turns the signal that
 * ended a command into a status, which `unshare` as the first process of a namespace cannot.
 */
function spawnInit([stdout, report, plan, stderr]: readonly [number, number, number, number]): ChildProcess {
  const unshare = requireProgram('unshare');
  const outer = [unshare, '--pid', '--fork', '--kill-child=KILL', '--', '/bin/sh', '-c', '"$@"; exit $?', 'sh'];
  const inner = [unshare, '--pid', '--fork', '--', process.execPath, ...initProgram()];
  return spawn(requireProgram('setpriv'), ['--pdeathsig', 'KILL', '--', ...outer, ...inner], {
    stdio: ['ignore', stdout, report, plan, stderr],
    // A session of its own: Ctrl-C reaches slipway alone, which then ends the container in its way.
    detached: true,
    cwd: '/',
    // Nothing of the user's environment: it may hold credentials.
    // io_uring is a call that the step's filter forbids, and Node would say so in the step's output.
    env: { PATH: '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin', UV_USE_IO_URING: '0' },
  });
}

/** The init beside this module's source; or the one in the bundle, whose modules lie beside it or one folder deeper. */
function initProgram(): string[] {
  const place = (path: string) => fileURLToPath(new URL(path, import.meta.url));
  if (import.meta.url.endsWith('.ts')) return ['--disable-warning=ExperimentalWarning', place('init.ts')];
  const bundled = place('init.cjs');
  // Code that runs once is not worth compiling: without, the start takes 2 ms less.
  return ['--jitless', existsSync(bundled) ? bundled : place('../init.cjs')];
}

function sendPlan(fd: number, plan: InitPlan): void {
  const socket = new Socket({ fd, readable: false, writable: true });
  socket.on('error', (error) => {
    // It was killed before it read; its end is what counts.
    if (errnoOf(error) !== 'EPIPE') throw error;
  });
  socket.end(planText(plan));
}
