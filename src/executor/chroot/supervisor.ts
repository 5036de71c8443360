/**
 * Stands over the processes of one step in chroot isolation, where no PID namespace holds them together: whatever the command leaves behind becomes a
 * child of this process, which ends when there is none left. It takes a plan on standard input, and kills the step when that is closed.
 * Its arguments are Node's for the step's init, its status is the command's, 128 and the number for a signal.
 */
import { spawn } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { constants } from 'node:os';
import { errnoOf } from '../../core/errors.ts';
import { chrootSyscalls } from './chroot-syscalls.ts';

/** How long the command may take to end after SIGTERM. */
const TERM_GRACE_MS = 300;

const NEWLINE = 10;

const calls = chrootSyscalls();
calls.hideMemory();
calls.becomeSubreaper();
const init = spawn(process.execPath, process.argv.slice(2), {
  stdio: ['pipe', 'inherit', 'inherit'],
  // A session of its own.
  detached: true,
  cwd: '/',
  // io_uring is a call that the step's filter forbids, and Node would say so in the step's output.
  env: { PATH: process.env.PATH, UV_USE_IO_URING: '0' },
});
init.on('exit', (code, signal) => {
  endStep();
  process.exit(code ?? 128 + (signal === null ? 0 : constants.signals[signal]));
});
init.stdin.on('error', (error) => {
  // It was killed before it read; its end is what counts.
  if (errnoOf(error) !== 'EPIPE') throw error;
});
process.stdin.on('data', (plan: Buffer) => {
  if (plan.at(-1) === NEWLINE) init.stdin.end(plan);
  else init.stdin.write(plan);
});
process.stdin.on('end', () => {
  init.stdin.end();
  if (init.pid !== undefined) process.kill(init.pid, 'SIGTERM');
  setTimeout(() => {
    endStep();
    process.exit(128 + constants.signals.SIGKILL);
  }, TERM_GRACE_MS);
});

/** Kills every process of the step, and waits until all are gone. */
function endStep(): void {
  do killDescendants();
  while (calls.reapChild());
}

function killDescendants(): void {
  const parents = parentsOfProcesses();
  const doomed = new Set([process.pid]);
  // A child may have a smaller number than its parent, so one look at all of them is not enough.
  for (let found = -1; found !== doomed.size; ) {
    found = doomed.size;
    for (const [pid, parent] of parents) if (doomed.has(parent)) doomed.add(pid);
  }
  doomed.delete(process.pid);
  for (const pid of doomed) kill(pid);
}

function parentsOfProcesses(): Map<number, number> {
  const parents = new Map<number, number>();
  for (const name of readdirSync('/proc')) {
    if (!/^\d+$/.test(name)) continue;
    const parent = parentOf(name);
    if (parent !== undefined) parents.set(Number(name), parent);
  }
  return parents;
}

/** Undefined for a process that is gone by now. */
function parentOf(pid: string): number | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
    // The name before it may have any characters in it (proc(5)).
    return Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[1]);
  } catch (error) {
    if (errnoOf(error) === 'ENOENT' || errnoOf(error) === 'ESRCH') return undefined;
    throw error;
  }
}

function kill(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch (error) {
    if (errnoOf(error) !== 'ESRCH') throw error;
  }
}
