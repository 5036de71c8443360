import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, constants, existsSync, openSync } from 'node:fs';
import { constants as osConstants } from 'node:os';
import { fileURLToPath } from 'node:url';
import { errnoOf } from '../../core/errors.ts';
import type { ProcessIO } from '../../core/executor.ts';
import { readOutput } from '../container-process.ts';
import type { ContainerEnd } from '../waiting-process.ts';
import { type ChrootPlan, chrootPlanLine } from './chroot-plan.ts';
import { OUTPUTS } from './kernel-folders.ts';

/** A step's processes to be, which start up while their root is made. Disposing ends them, however far they are. */
export interface WaitingStep extends Disposable {
  /** Once only. Resolves when every process of the step is gone; an aborted `signal` ends them. */
  run(plan: ChrootPlan, io: ProcessIO, signal: AbortSignal): Promise<ContainerEnd>;
}

/** Starts the supervisor of a step, which starts its init. */
export function startStep(): WaitingStep {
  const child = spawn(process.execPath, [...programArguments('supervisor'), ...programArguments('init')], {
    stdio: ['pipe', 'pipe', 'pipe'],
    // A session of its own: Ctrl-C reaches slipway alone, which then ends the step in its way.
    detached: true,
    cwd: '/',
    // Nothing of the user's environment: it may hold credentials.
    env: { PATH: '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin' },
  });
  const said: Buffer[] = [];
  for (const output of [child.stdout, child.stderr]) output.on('data', (data: Buffer) => said.push(data));
  child.stdin.on('error', (error) => {
    // It was killed before it read; its end is what counts.
    if (errnoOf(error) !== 'EPIPE') throw error;
  });
  const stop = () => void child.stdin.end();
  return {
    run: async (plan, io, signal) => {
      const outputs = OUTPUTS.map((name) => openOutput(`${plan.devFolder}/${name}`, io[name].bind(io)));
      child.stdin.write(chrootPlanLine(plan));
      signal.addEventListener('abort', stop, { once: true });
      if (signal.aborted) stop();
      try {
        if (child.exitCode === null && child.signalCode === null) await once(child, 'close');
        for (const { finish } of outputs) finish();
        await Promise.all(outputs.map(({ ended }) => ended));
        return { status: exitStatus(child), report: Buffer.concat(said).toString() };
      } finally {
        signal.removeEventListener('abort', stop);
      }
    },
    [Symbol.dispose]: stop,
  };
}

interface Output {
  /** Says that nobody will write any more. */
  finish(): void;
  readonly ended: Promise<void>;
}

/** Reads a named pipe, which has no end before `finish`, whoever opens and closes it. */
function openOutput(path: string, take: (data: Uint8Array) => void): Output {
  const read = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
  const write = openSync(path, constants.O_WRONLY | constants.O_NONBLOCK);
  return { finish: () => closeSync(write), ended: readOutput(read, take) };
}

/** Node's arguments for a program beside this module's source; or for that in the bundle, whose modules lie beside it or one folder deeper. */
function programArguments(name: 'supervisor' | 'init'): string[] {
  const place = (path: string) => fileURLToPath(new URL(path, import.meta.url));
  if (import.meta.url.endsWith('.ts')) return ['--disable-warning=ExperimentalWarning', place(`${name}.ts`)];
  const bundled = place(`chroot-${name}.cjs`);
  return [existsSync(bundled) ? bundled : place(`../chroot-${name}.cjs`)];
}

/** The status of a process that ended: 128 and the number for a signal. */
function exitStatus({ exitCode, signalCode }: ChildProcess): number {
  if (exitCode !== null) return exitCode;
  if (signalCode !== null) return 128 + osConstants.signals[signalCode];
  throw new Error('internal: the process has not ended');
}
