import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, cpSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { inject } from 'vitest';
import { asUser, isRoot, TEST_USER } from './users.ts';

/** Who builds: root, or a user without any privilege. */
export type Who = 'root' | 'ordinary user';

/** How a run of the command line ended. */
export interface Finished {
  readonly status: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: Buffer;
  readonly stderr: string;
}

/** A run of the command line that has not ended. */
export interface Running {
  readonly process: ChildProcess;
  /** Resolves when the progress so far matches; rejects when the run ends without. */
  said(pattern: RegExp): Promise<void>;
  readonly finished: Promise<Finished>;
}

export interface RunOptions {
  readonly env?: Readonly<Record<string, string>>;
  readonly stdin?: string | Uint8Array;
  readonly cwd?: string;
  /** A command, run as root, that starts slipway as the rig's user: one that changes what the machine has for it. */
  readonly under?: readonly string[];
  /** Another user than that of the rig. */
  readonly user?: string;
}

/** A user with a home, a store and a place for contexts and outputs of its own. Disposing removes them all. */
export interface SlipwayRig extends Disposable {
  readonly who: Who;
  readonly folder: string;
  readonly store: string;
  /** Makes a folder with these files, which belong to the user; a Dockerfile among them makes it a build context. */
  context(files: Readonly<Record<string, string | Uint8Array>>): string;
  /** `slipway ARGS`. */
  start(args: readonly string[], options?: RunOptions): Running;
  run(args: readonly string[], options?: RunOptions): Promise<Finished>;
  /** `slipway build ARGS` with plain progress unless -q is given, where `FROM busybox` is the tests' own image. Rejects with the progress when it fails. */
  build(args: readonly string[], options?: RunOptions): Promise<Finished>;
}

/** The arguments by which the tests' own base images take the place of those of a registry. */
export function baseImages(): string[] {
  const bases = Object.entries({ busybox: inject('busybox'), 'debian:bookworm': inject('debian') });
  return bases.flatMap(([name, layout]) =>
    layout === '' ? [] : ['--build-context', `${name}=oci-layout://${layout}`],
  );
}

export function openRig(who: Who): SlipwayRig {
  const folder = mkdtempSync(join(tmpdir(), 'slipway-e2e-'));
  chmodSync(folder, 0o755);
  mkdirSync(join(folder, 'home'));
  giveTo(who, folder);
  const store = join(folder, 'store');
  let contexts = 0;
  const start = (args: readonly string[], options: RunOptions = {}) => startSlipway(who, folder, { args, options });
  const run = (args: readonly string[], options?: RunOptions) => start(args, options).finished;
  return {
    who,
    folder,
    store,
    start,
    run,
    build: async (args, options) => {
      const finished = await run(['build', ...progress(args), ...baseImages(), ...args], options);
      if (finished.status !== 0)
        throw new Error(`slipway build ${args.join(' ')}: ${finished.status}\n${finished.stderr}`);
      return finished;
    },
    context: (files) => {
      const path = join(folder, `context-${contexts++}`);
      writeFiles(path, files);
      giveTo(who, path);
      return path;
    },
    [Symbol.dispose]: () => removeAll(folder),
  };
}

function progress(args: readonly string[]): string[] {
  return args.includes('-q') ? [] : ['--progress=plain'];
}

/** Writes files, their folders as well; a file in bytes or text that begins with `#!` can be executed. */
export function writeFiles(folder: string, files: Readonly<Record<string, string | Uint8Array>>): void {
  mkdirSync(folder, { recursive: true });
  for (const [name, content] of Object.entries(files)) {
    mkdirSync(dirname(join(folder, name)), { recursive: true });
    writeFileSync(join(folder, name), content);
    if (typeof content === 'string' && content.startsWith('#!')) chmodSync(join(folder, name), 0o755);
  }
}

/** A copy of a folder of the project that the rig's user may read and change. */
export function readableCopy(rig: SlipwayRig, folder: string): string {
  const copy = join(rig.folder, basename(folder));
  cpSync(folder, copy, { recursive: true });
  giveTo(rig.who, copy);
  return copy;
}

interface Invocation {
  readonly args: readonly string[];
  readonly options: RunOptions;
}

function startSlipway(who: Who, folder: string, { args, options }: Invocation): Running {
  const { node, program } = inject('slipway');
  const command = [node, program, ...args];
  const whole = [...(options.under ?? []), ...(who === 'root' ? command : asUser(command, options.user))];
  const [executable = '', ...rest] = whole;
  const home = join(folder, 'home');
  const env = { PATH: process.env.PATH, HOME: home, SLIPWAY_ROOT: join(folder, 'store'), ...options.env };
  const child = spawn(executable, rest, { env, cwd: options.cwd ?? folder, detached: true });
  // A program that ends without reading its input is no failure of the test.
  child.stdin.on('error', () => {});
  child.stdin.end(options.stdin ?? '');
  return observe(child);
}

function observe(child: ChildProcess): Running {
  const stdout: Buffer[] = [];
  let stderr = '';
  child.stdout?.on('data', (data: Buffer) => stdout.push(data));
  child.stderr?.setEncoding('utf8').on('data', (text: string) => {
    stderr += text;
  });
  const finished = once(child, 'close').then(([status, signal]) => ({
    status: status as number | null,
    signal: signal as NodeJS.Signals | null,
    stdout: Buffer.concat(stdout),
    stderr,
  }));
  const said = async (pattern: RegExp) => {
    while (!pattern.test(stderr)) {
      const more = child.stderr === null ? finished : once(child.stderr, 'data');
      const ended = await Promise.race([more.then(() => false), finished.then(() => true)]);
      if (ended && !pattern.test(stderr)) throw new Error(`the build ended and did not say ${pattern}:\n${stderr}`);
    }
  };
  return { process: child, said, finished };
}

function giveTo(who: Who, path: string): void {
  if (who === 'ordinary user' && isRoot()) spawnSync('chown', ['-R', `${TEST_USER}:${TEST_USER}`, path]);
}

/** A rootless store holds files of subordinate ids, which their user can only remove in a user namespace. */
function removeAll(folder: string): void {
  if (!isRoot()) spawnSync('unshare', ['--user', '--map-root-user', '--map-auto', 'rm', '-rf', `${folder}/store`]);
  rmSync(folder, { recursive: true, force: true });
}
