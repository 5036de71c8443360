import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { accessSync, chmodSync, constants, existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { findProgram } from '../../../src/executor/oci-runtime.ts';
import type { StepRequest, StepResult } from './steps.ts';

/** Somebody who runs steps with a runtime. */
export interface Rung {
  readonly name: string;
  readonly runtime: 'crun' | 'runc' | 'native' | 'chroot';
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
  return (['crun', 'runc', 'native'] as const).flatMap((runtime) => {
    if (runtime !== 'native' && findProgram(runtime, process.env) === undefined)
      return skipped(runtime, `${runtime} is not installed`);
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
  const [look = '', ...words] = commandAs(USER, [
    process.execPath,
    '-e',
    `require('fs').readdirSync(${JSON.stringify(PROJECT)})`,
  ]);
  const sees = spawnSync(look, words);
  if (sees.status !== 0) return skipped(name, `the user ${USER} cannot read ${PROJECT}`);
  return [{ name, runtime, rootless: true }];
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
  const node = [
    process.execPath,
    '--disable-warning=ExperimentalWarning',
    RUNNER,
    folder.path,
    rung.runtime,
    BUSYBOX ?? '',
  ];
  const [program = '', ...args] = rung.rootless ? commandAs(USER, node) : node;
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

/** A folder that whoever runs the steps may write to. */
export function newFolder(rung: Rung): Disposable & { readonly path: string } {
  const path = mkdtempSync(`${tmpdir()}/slipway-executor-`);
  chmodSync(path, 0o755);
  if (rung.rootless && isRoot()) spawnSync('chown', [USER, path]);
  return { path, [Symbol.dispose]: () => rmSync(path, { recursive: true, force: true }) };
}

/** The command as `user` runs it, where this process is root; else as it is. */
export function commandAs(user: string, command: readonly string[]): readonly string[] {
  return isRoot() ? ['setpriv', '--reuid', user, '--regid', user, '--init-groups', '--', ...command] : command;
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
