import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { findProgram } from '../../../src/executor/oci-runtime.ts';
import { asUser, isRoot, prepareTestUser, TEST_USER } from '../../rig/users.ts';
import { BUSYBOX } from './busybox-root.ts';
import { projectForUser } from './project-copy.ts';
import type { StepRequest, StepResult } from './steps.ts';

export { BUSYBOX };

/** Somebody who runs steps with a runtime. */
export interface Rung {
  readonly name: string;
  readonly runtime: 'crun' | 'runc' | 'native' | 'chroot';
  readonly rootless: boolean;
}

const PROJECT = fileURLToPath(new URL('../../..', import.meta.url));

/**
 * Containers by every runtime, as root and as an ordinary user. What this machine cannot test is printed with the reason; under CI=true it is
 * an error.
 */
export function availableRungs(): Rung[] {
  if (BUSYBOX === undefined)
    return skipped('all containers', 'there is no static busybox (apt-get install busybox-static)');
  return (['crun', 'runc', 'native'] as const).flatMap((runtime) => {
    if (runtime !== 'native' && findProgram(runtime, process.env) === undefined)
      return skipped(runtime, `${runtime} is not installed`);
    return [...rootRung(runtime), ...rootlessRung(runtime)];
  });
}

/** Chroot isolation, which is for root alone. */
export function chrootRung(): Rung[] {
  return BUSYBOX === undefined ? skipped('chroot', 'there is no static busybox') : rootRung('chroot');
}

function rootRung(runtime: Rung['runtime']): Rung[] {
  const name = `${runtime} as root`;
  return isRoot() ? [{ name, runtime, rootless: false }] : skipped(name, 'not root');
}

function rootlessRung(runtime: Rung['runtime']): Rung[] {
  const name = `${runtime} as an ordinary user`;
  const lack =
    findProgram('newuidmap', process.env) === undefined ? 'newuidmap is missing (uidmap)' : prepareTestUser();
  return lack === undefined ? [{ name, runtime, rootless: true }] : skipped(name, lack);
}

/** A running step runner; its steps run one after the other. */
export interface Runner extends AsyncDisposable {
  readonly folder: string;
  readonly process: ChildProcess;
  run(step: StepRequest): Promise<StepResult>;
}

/** Starts a runner with a folder of its own, or with that of another. */
export function startRunner(rung: Rung, shared?: string): Runner {
  const folder = shared === undefined ? newFolder(rung) : { path: shared, [Symbol.dispose]: () => {} };
  const [program = '', ...args] = rigCommand(rung, 'step-runner.ts', [folder.path, rung.runtime, BUSYBOX ?? '']);
  const env = { PATH: process.env.PATH, HOST_SECRET: 'canary-in-the-environment' };
  const child = spawn(program, args, { stdio: ['pipe', 'pipe', 'inherit'], env });
  const answers = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const ended = once(child, 'exit');
  let last: Promise<unknown> = Promise.resolve();
  const answer = async (step: StepRequest) => {
    child.stdin.write(`${JSON.stringify(step)}\n`);
    const { value, done } = await answers.next();
    if (done === true) throw new Error('the step runner ended');
    return JSON.parse(value) as StepResult;
  };
  return {
    folder: folder.path,
    process: child,
    run: (step) => {
      const result = last.then(() => answer(step));
      last = result;
      return result;
    },
    [Symbol.asyncDispose]: async () => {
      child.stdin.end();
      await ended;
      folder[Symbol.dispose]();
    },
  };
}

/** The command that starts a program of this folder, by whoever runs the steps. */
export function rigCommand(rung: Rung, program: string, args: readonly string[]): readonly string[] {
  const { folder, node } = rung.rootless ? projectForUser() : { folder: PROJECT, node: process.execPath };
  const command = [node, '--disable-warning=ExperimentalWarning', `${folder}/test/executor/rig/${program}`, ...args];
  return rung.rootless ? asUser(command) : command;
}

/** A folder that whoever runs the steps may write to. */
export function newFolder(rung: Rung): Disposable & { readonly path: string } {
  const path = mkdtempSync(`${tmpdir()}/slipway-executor-`);
  chmodSync(path, 0o755);
  if (rung.rootless && isRoot()) spawnSync('chown', [TEST_USER, path]);
  return { path, [Symbol.dispose]: () => rmSync(path, { recursive: true, force: true }) };
}

function skipped(what: string, why: string): [] {
  if (process.env.CI === 'true') throw new Error(`${what} cannot be tested on this machine: ${why}`);
  console.warn(`SKIPPED: ${what}: ${why}`);
  return [];
}
