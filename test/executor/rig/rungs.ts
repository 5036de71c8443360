import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import {
  accessSync,
  chmodSync,
  constants,
  existsSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { fileURLToPath } from 'node:url';
import { findProgram } from '../../../src/executor/oci-runtime.ts';
import type { RunnerRequest, StepRequest, StepResult } from './steps.ts';

/** Somebody who runs steps with a runtime. */
export interface Rung {
  readonly name: string;
  readonly runtime: 'crun' | 'runc';
  readonly rootless: boolean;
}

const USER = 'slipway-test';
const RUNNER = fileURLToPath(new URL('step-runner.ts', import.meta.url));
const PROJECT = fileURLToPath(new URL('../../..', import.meta.url));

/** A static busybox of this machine, for roots. */
export const BUSYBOX = ['/bin/busybox', '/usr/bin/busybox', '/bin/busybox.static'].find(isStatic);

/** What this machine can test; what it cannot is printed with the reason. */
export function availableRungs(): Rung[] {
  if (BUSYBOX === undefined)
    return skipped('all containers', 'there is no static busybox (apt-get install busybox-static)');
  return (['crun', 'runc'] as const).flatMap((runtime) => {
    if (findProgram(runtime, process.env) === undefined) return skipped(runtime, `${runtime} is not installed`);
    return [
      ...(isRoot()
        ? [{ name: `${runtime} as root`, runtime, rootless: false }]
        : skipped(`${runtime} as root`, 'not root')),
      ...rootlessRung(runtime),
    ];
  });
}

function rootlessRung(runtime: Rung['runtime']): Rung[] {
  const name = `${runtime} as an ordinary user`;
  if (findProgram('newuidmap', process.env) === undefined) return skipped(name, 'newuidmap is missing (uidmap)');
  if (!isRoot()) return [{ name, runtime, rootless: true }];
  if (spawnSync('id', [USER]).status !== 0) spawnSync('useradd', ['--create-home', '--shell', '/bin/sh', USER]);
  if (!readFileSync('/etc/subuid', 'utf8').includes(`${USER}:`)) return skipped(name, `${USER} has no subordinate ids`);
  const sees = spawnSync('setpriv', [
    ...asUser(),
    process.execPath,
    '-e',
    `require('fs').readdirSync(${JSON.stringify(PROJECT)})`,
  ]);
  if (sees.status !== 0) return skipped(name, `the user ${USER} cannot read ${PROJECT}`);
  return [{ name, runtime, rootless: true }];
}

/** Runs the steps one after the other in one process. */
export function runSteps(rung: Rung, steps: readonly StepRequest[]): StepResult[] {
  using folder = newFolder(rung);
  const [program = '', ...args] = runnerCommand(rung, folder.path, steps);
  const { stdout, stderr, status } = spawnSync(program, args, {
    encoding: 'utf8',
    env: runnerEnv(),
    maxBuffer: 1 << 26,
  });
  if (status !== 0) throw new Error(`the step runner ended with ${status}: ${stderr}`);
  return JSON.parse(stdout) as StepResult[];
}

/** Runs one step. */
export function runStep(rung: Rung, step: StepRequest): StepResult {
  const [result] = runSteps(rung, [step]);
  if (result === undefined) throw new Error('the step runner gave no result');
  return result;
}

/** The same without waiting: for killing it. The caller disposes the folder. */
export function startSteps(rung: Rung, folder: string, steps: readonly StepRequest[]): ChildProcess {
  const [program = '', ...args] = runnerCommand(rung, folder, steps);
  return spawn(program, args, { stdio: 'ignore', env: runnerEnv() });
}

/** A folder that whoever runs the steps may write to. */
export function newFolder(rung: Rung): Disposable & { readonly path: string } {
  const path = mkdtempSync(`${tmpdir()}/slipway-executor-`);
  chmodSync(path, 0o755);
  if (rung.rootless && isRoot()) spawnSync('chown', [USER, path]);
  return { path, [Symbol.dispose]: () => rmSync(path, { recursive: true, force: true }) };
}

function runnerCommand(rung: Rung, folder: string, steps: readonly StepRequest[]): string[] {
  const request: RunnerRequest = { folder, runtime: rung.runtime, busybox: BUSYBOX ?? '', steps };
  writeFileSync(`${folder}/request.json`, JSON.stringify(request));
  const user = rung.rootless && isRoot() ? ['setpriv', ...asUser()] : [];
  return [...user, process.execPath, '--disable-warning=ExperimentalWarning', RUNNER, `${folder}/request.json`];
}

function runnerEnv(): NodeJS.ProcessEnv {
  return { PATH: process.env.PATH, HOST_SECRET: 'canary-in-the-environment' };
}

function asUser(): string[] {
  return ['--reuid', USER, '--regid', USER, '--init-groups', '--'];
}

function isRoot(): boolean {
  return process.geteuid?.() === 0;
}

function skipped(what: string, why: string): [] {
  console.warn(`SKIPPED: ${what}: ${why}`);
  return [];
}

/** No PT_INTERP (3) among the program headers (ELF64). */
function isStatic(path: string): boolean {
  if (!existsSync(path)) return false;
  accessSync(path, constants.R_OK);
  const elf = readFileSync(path);
  const [offset, size, count] = [Number(elf.readBigUInt64LE(32)), elf.readUInt16LE(54), elf.readUInt16LE(56)];
  return !Array.from({ length: count }, (_, index) => elf.readUInt32LE(offset + index * size)).includes(3);
}
