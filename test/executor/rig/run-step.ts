import { randomBytes } from 'node:crypto';
import { chmodSync, lstatSync, mkdirSync, readdirSync } from 'node:fs';
import { toBytePath } from '../../../src/core/byte-path.ts';
import { SlipwayError } from '../../../src/core/errors.ts';
import type { ContainerMount, Executor } from '../../../src/core/executor.ts';
import { DEVICE_XATTR } from '../../../src/core/layer-marks.ts';
import { silentProgress } from '../../../src/core/progress.ts';
import { syscalls } from '../../../src/core/syscalls.ts';
import { inUserNamespace } from '../../../src/core/user-namespace.ts';
import { type ExecutorChoice, selectExecutor } from '../../../src/executor/select-executor.ts';
import { fillRoot, makeBusyboxRoot } from './busybox-root.ts';
import type { MountRequest, RootFile, RunnerSetting, StepRequest, StepResult } from './steps.ts';

let executor: (Executor & Disposable) | undefined;

/** Runs one step on a root of its own and tells everything about it. */
export async function runStep(setting: RunnerSetting, step: StepRequest): Promise<StepResult> {
  executor ??= selectExecutor({
    ...choiceOf(setting.runtime),
    env: process.env,
    stateDir: `${setting.folder}/state`,
    // As in the engine: of one process.
    scratchDir: `${setting.folder}/scratch-${process.pid}`,
    xattrs: inUserNamespace() ? 'user' : 'trusted',
  });
  const layer = newFolder(setting.folder);
  mkdirSync(`${layer}/upper`);
  mkdirSync(`${layer}/work`);
  const [stdout, stderr]: [Buffer[], Buffer[]] = [[], []];
  const cancel = new AbortController();
  if (step.abortAfterMs !== undefined)
    setTimeout(() => cancel.abort(new Error('aborted by the test')), step.abortAfterMs);
  const takeOutput = (data: Uint8Array) => {
    stdout.push(Buffer.from(data));
    const awaited = step.abortAfterOutput;
    if (awaited !== undefined && Buffer.concat(stdout).includes(awaited))
      cancel.abort(new Error('aborted by the test'));
  };
  const start = performance.now();
  const error = await executor
    .run(
      {
        id: randomBytes(8).toString('hex'),
        args: step.args,
        env: step.env ?? ['PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin'],
        cwd: step.cwd ?? '/',
        user: step.user ?? '',
        hostname: 'buildkitsandbox',
        network: step.network ?? 'sandbox',
        security: step.security ?? 'sandbox',
        extraHosts: step.extraHosts ?? [],
        ulimits: step.ulimits ?? [],
        devices: [],
        ...(step.shmSizeBytes === undefined ? {} : { shmSizeBytes: step.shmSizeBytes }),
      },
      { lowerDirs: lowerDirs(setting, step), upperDir: `${layer}/upper`, workDir: `${layer}/work` },
      (step.mounts ?? []).map((mount) => containerMount(setting.folder, mount)),
      { stdout: (data) => takeOutput(data), stderr: (data) => void stderr.push(Buffer.from(data)) },
      { signal: cancel.signal, progress: silentProgress },
    )
    .then(() => undefined, errorOf);
  return {
    stdout: Buffer.concat(stdout).toString(),
    stderr: Buffer.concat(stderr).toString(),
    ...(error === undefined ? {} : { error }),
    layer: listing(`${layer}/upper`),
    milliseconds: performance.now() - start,
  };
}

function choiceOf(runtime: string): Pick<ExecutorChoice, 'isolation' | 'ociRuntime'> {
  return runtime === 'native' || runtime === 'chroot'
    ? { isolation: runtime }
    : { isolation: 'oci', ociRuntime: runtime };
}

function errorOf(error: unknown): NonNullable<StepResult['error']> {
  if (!(error instanceof Error)) throw error;
  const code = error instanceof SlipwayError ? error.code : error.name;
  const exitCode = error instanceof SlipwayError ? error.exitCode : undefined;
  return { code, message: error.message, ...(exitCode === undefined ? {} : { exitCode }) };
}

function lowerDirs(setting: RunnerSetting, step: StepRequest): string[] {
  if (step.root === 'scratch') return [];
  const empty = Array.from({ length: step.emptyLayers ?? 0 }, () => newFolder(setting.folder));
  const files = step.root === undefined ? [] : [filledFolder(setting.folder, step.root)];
  return [busyboxRoot(setting), ...empty, ...files];
}

function containerMount(folder: string, mount: MountRequest): ContainerMount {
  switch (mount.type) {
    case 'stack': {
      const lower = filledFolder(folder, mount.files);
      return { ...mount, stack: { lowerDirs: [lower] }, path: toBytePath(mount.path) };
    }
    case 'host':
      return { ...mount, path: toBytePath(mount.path) };
    case 'secret':
      return { ...mount, data: Buffer.from(mount.text), gid: 0 };
    case 'socket':
      return { ...mount, gid: 0 };
    default:
      return mount;
  }
}

/** Runners that share a folder may all make it: each has its own. */
function busyboxRoot({ folder, busybox }: RunnerSetting): string {
  const root = `${folder}/busybox-${process.pid}`;
  makeBusyboxRoot(root, busybox);
  return root;
}

function filledFolder(folder: string, files: readonly RootFile[]): string {
  const root = newFolder(folder);
  fillRoot(root, files);
  return root;
}

function newFolder(folder: string): string {
  const path = `${folder}/${randomBytes(8).toString('hex')}`;
  mkdirSync(path);
  chmodSync(path, 0o755);
  return path;
}

function listing(root: string, below = ''): string[] {
  return readdirSync(`${root}${below}`)
    .sort()
    .flatMap((name) => {
      const path = `${below}/${name}`;
      const stat = lstatSync(`${root}${path}`);
      const kind = stat.isDirectory() ? 'd' : stat.isSymbolicLink() ? 'l' : stat.isFile() ? 'f' : 'c';
      const standsFor = stat.isFile()
        ? syscalls()
            .listXattrs(toBytePath(`${root}${path}`))
            .get(DEVICE_XATTR)
        : undefined;
      const line = `${standsFor ?? kind} ${(stat.mode & 0o7777).toString(8)} ${stat.uid}:${stat.gid} ${path}`;
      return [line, ...(stat.isDirectory() ? listing(root, path) : [])];
    });
}
