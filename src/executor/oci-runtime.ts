import { spawnSync } from 'node:child_process';
import { accessSync, constants } from 'node:fs';
import { basename, delimiter, resolve } from 'node:path';
import { SlipwayError } from '../core/errors.ts';

/** A program that runs OCI bundles. */
export interface OciRuntime {
  /** `crun`, `runc` or what the program is called. */
  readonly name: string;
  readonly path: string;
  /** Options that come before the command, besides `--root` and `--log`. */
  readonly options: readonly string[];
  /** Whether it mounts the root anew without `nodev`, which then has to be asked for. */
  readonly dropsNodev: boolean;
  /** Whether its command `run` takes the config.json from any file. */
  readonly takesConfigFile: boolean;
  /** Whether it starts `bin/tool` as that, and not as what it found under that name: a script sees it as its `$0`. */
  readonly keepsCommandPath: boolean;
}

const KNOWN_RUNTIMES = ['crun', 'runc'];
/** The administrator's folders, which an ordinary user's PATH may lack, and the usual ones. */
const SYSTEM_FOLDERS = ['/usr/local/sbin', '/usr/sbin', '/sbin', '/usr/bin', '/bin'];

/** Where programs are looked for. */
export interface ProgramSearch {
  /** Where PATH is taken from. */
  readonly env: Readonly<Record<string, string | undefined>>;
  /** What comes after PATH: the system's folders unless given. */
  readonly systemFolders?: readonly string[];
}

/**
 * The runtime to use: the one asked for by name or path, else crun, else runc. `SLIPWAY_RUNTIME_MISSING` where it is not there.
 */
export function findOciRuntime(asked: string | undefined, { env, systemFolders }: ProgramSearch): OciRuntime {
  for (const name of asked === undefined ? KNOWN_RUNTIMES : [asked]) {
    const path = name.includes('/') ? executable(resolve(name)) : findProgram(name, env, systemFolders);
    if (path !== undefined) return runtimeAt(path);
  }
  const what = asked === undefined ? 'neither crun nor runc is installed' : `the OCI runtime ${asked} was not found`;
  throw new SlipwayError('SLIPWAY_RUNTIME_MISSING', `RUN needs an OCI runtime: ${what}`, {
    hint: 'install one: apt-get install -y crun (Debian, Ubuntu), dnf install -y crun (Fedora), apk add crun (Alpine)',
  });
}

/** Whether a runtime is found without being named. */
export function hasOciRuntime({ env, systemFolders }: ProgramSearch): boolean {
  return KNOWN_RUNTIMES.some((name) => findProgram(name, env, systemFolders) !== undefined);
}

/** Absolute path of the program `name` on PATH and in the system's folders. */
export function findProgram(
  name: string,
  env: Readonly<Record<string, string | undefined>>,
  systemFolders: readonly string[] = SYSTEM_FOLDERS,
): string | undefined {
  return [...(env.PATH ?? '').split(delimiter), ...systemFolders]
    .filter((folder) => folder.startsWith('/'))
    .map((folder) => executable(`${folder}/${name}`))
    .find((path) => path !== undefined);
}

const foundPrograms = new Map<string, string>();

/** Absolute path of a program of util-linux, which every distribution has. It is looked for once. `SLIPWAY_PROGRAM_MISSING`. */
export function requireProgram(name: string): string {
  const path = foundPrograms.get(name) ?? findProgram(name, process.env);
  if (path !== undefined) {
    foundPrograms.set(name, path);
    return path;
  }
  throw new SlipwayError('SLIPWAY_PROGRAM_MISSING', `RUN needs the program ${name}, which was not found`, {
    hint: 'install util-linux (apt-get install -y util-linux, apk add util-linux)',
  });
}

/** Whether the runtime was built with libseccomp. Spawns it. */
export function supportsSeccomp(runtime: OciRuntime): boolean {
  const { stdout } = spawnSync(runtime.path, ['--version'], { encoding: 'utf8', env: {} });
  return /\+SECCOMP|libseccomp/.test(stdout ?? '');
}

function runtimeAt(path: string): OciRuntime {
  const name = basename(path);
  const isCrun = name === 'crun';
  return {
    name,
    path,
    options: runtimeOptions(name),
    dropsNodev: isCrun,
    takesConfigFile: isCrun,
    keepsCommandPath: !isCrun,
  };
}

/** Containers stay in slipway's own cgroup, so that a kill leaves no cgroup behind. */
function runtimeOptions(name: string): string[] {
  // runc cannot leave cgroups alone, but a rootless one does not mind that it may not make any (they are mounted read-only).
  return name === 'runc' ? ['--rootless=true'] : name === 'crun' ? ['--cgroup-manager=disabled'] : [];
}

function executable(path: string): string | undefined {
  try {
    accessSync(path, constants.X_OK);
    return path;
  } catch {
    // Not there, not executable, or not to be seen by this user: in each case the next candidate is tried.
    return undefined;
  }
}
