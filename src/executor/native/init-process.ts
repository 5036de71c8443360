import { closeSync, existsSync, openSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { endOfContainer } from '../container-process.ts';
import { containerSyscalls } from '../container-syscalls.ts';
import { requireProgram } from '../oci-runtime.ts';
import { spawnWatched, tied } from '../spawn-process.ts';
import { openPseudoTerminal } from '../terminal/pseudo-terminal.ts';
import { keepTerminalModes } from '../terminal/user-terminal.ts';
import { type ContainerEnd, sendTask, startWaiting, type WaitingProcess } from '../waiting-process.ts';
import { type InitPlan, planText } from './init-plan.ts';

/** Of the four processes between slipway and the container's command, how many lie above that. */
const COMMAND_DEPTH = 3;
/** io_uring is a call that the step's filter forbids, and Node would say so in the step's output. */
const INIT_ENV = { UV_USE_IO_URING: '0' };

/**
 * Runs a container whose config.json asks for a terminal, which is connected to that of standard input and standard error of this process.
 * Resolves when every process of the container is gone.
 */
export async function runInitInTerminal(plan: InitPlan, signal: AbortSignal): Promise<ContainerEnd> {
  const { pipe } = containerSyscalls();
  using _modes = keepTerminalModes();
  using terminal = openPseudoTerminal();
  const [report, task] = [pipe(), pipe()];
  const stdin = openSync('/dev/null', 'r');
  const descriptors = [stdin, terminal.slave, report.write, task.read, terminal.slave];
  const child = spawnWatched(tied(initCommand()), { descriptors, session: 'own', env: INIT_ENV });
  for (const fd of [stdin, terminal.slave, report.write, task.read]) closeSync(fd);
  sendTask(task.write, planText(withConsole(plan, terminal.path)));
  using _connection = terminal.connect();
  const status = await endOfContainer(child, COMMAND_DEPTH, { signal });
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

/** Starts an init, which takes its 30 ms of start-up while this process goes on, and waits for its plan. */
export function startInit(): WaitingProcess {
  return startWaiting({
    args: initCommand(),
    descriptors: ['stdin', 'stdout', 'report', 'task', 'stderr'],
    commandDepth: COMMAND_DEPTH,
    env: INIT_ENV,
  });
}

/**
 * The outer PID namespace holds everything to slipway: its first process, a shell, never changes its user, as the command may (which makes the
 * kernel forget whose death it should die of), and when it goes, everything in the namespace does. It also turns the signal that
 * ended a command into a status, which `unshare` as the first process of a namespace cannot.
 */
function initCommand(): string[] {
  const unshare = requireProgram('unshare');
  const outer = [unshare, '--pid', '--fork', '--kill-child=KILL', '--', '/bin/sh', '-c', '"$@"; exit $?', 'sh'];
  return [...outer, unshare, '--pid', '--fork', '--', process.execPath, ...initProgram()];
}

/** The init beside this module's source; or the one in the bundle, whose modules lie beside it or one folder deeper. */
function initProgram(): string[] {
  const place = (path: string) => fileURLToPath(new URL(path, import.meta.url));
  if (import.meta.url.endsWith('.ts')) return ['--disable-warning=ExperimentalWarning', place('init.ts')];
  const bundled = place('init.cjs');
  // Code that runs once is not worth compiling: without, the start takes 2 ms less.
  return ['--jitless', existsSync(bundled) ? bundled : place('../init.cjs')];
}
