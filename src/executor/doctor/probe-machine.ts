import { spawnSync } from 'node:child_process';
import { accessSync, constants, existsSync, readdirSync, readFileSync, statfsSync } from 'node:fs';
import { release, userInfo } from 'node:os';
import { dirname } from 'node:path';
import { errnoOf } from '../../core/errors.ts';
import { inUserNamespace } from '../../core/user-namespace.ts';
import { capabilitiesOf } from '../capabilities.ts';
import { openHierarchies } from '../cgroup/cgroup-hierarchies.ts';
import { isUsablePasta } from '../network/network-tool.ts';
import { findProgram } from '../oci-runtime.ts';
import { seccompLibraryVersion } from '../seccomp/compile-filter.ts';
import { parseRanges } from '../subordinate-ids.ts';
import { type MachineFacts, PROGRAMS } from './machine-facts.ts';

type Environment = Readonly<Record<string, string | undefined>>;

/** Sysctls that restrict user namespaces. */
const SYSCTLS = [
  'kernel.unprivileged_userns_clone',
  'user.max_user_namespaces',
  'kernel.apparmor_restrict_unprivileged_userns',
];
/** Filesystems by their magic numbers (linux/magic.h), as far as they matter for a store. */
const FILESYSTEMS: Readonly<Record<number, string>> = {
  2035054128: 'overlay',
  16914836: 'tmpfs',
  61267: 'ext4',
  1481003842: 'xfs',
  2435016766: 'btrfs',
  26985: 'nfs',
  801189825: 'zfs',
};
const PROBE_TIMEOUT_MS = 10_000;

/** Looks at the machine: reads files, and starts programs that end at once. Changes nothing. `store` is where the store lies or will lie. */
export function probeMachine(env: Environment, store: string): MachineFacts {
  const euid = process.geteuid?.() ?? -1;
  const programs = Object.fromEntries(
    PROGRAMS.flatMap((name) => {
      const path = findProgram(name, env);
      return path === undefined || (name === 'pasta' && !isUsablePasta(path)) ? [] : [[name, path]];
    }),
  );
  return {
    nodeVersion: process.versions.node,
    euid,
    capabilities: capabilitiesOf('effective'),
    inUserNamespace: inUserNamespace(),
    kernel: release(),
    surroundings: surroundingsOf(env),
    isFiltered: /^Seccomp:\s*2$/m.test(readIfThere('/proc/self/status') ?? ''),
    sysctls: Object.fromEntries(
      SYSCTLS.flatMap((name) => {
        const value = readIfThere(`/proc/sys/${name.replaceAll('.', '/')}`);
        return value === undefined ? [] : [[name, value.trim()]];
      }),
    ),
    namespaces: probeNamespaces(programs.unshare, euid),
    programs,
    runtimes: ['crun', 'runc'].flatMap((name) => {
      const path = findProgram(name, env);
      return path === undefined ? [] : [{ name, path, version: versionOf(path) }];
    }),
    subordinateIds: { uids: idsIn('/etc/subuid'), gids: idsIn('/etc/subgid') },
    hasLibseccomp: seccompLibraryVersion() !== undefined,
    hasTun: isAllowed('/dev/net/tun', constants.R_OK | constants.W_OK),
    binfmt: binfmtNames(),
    cgroups: cgroups(),
    store: probeStore(store),
  };
}

/** Makes what every container is made of; where the kernel, a sysctl, a filter or missing capabilities forbid it, unshare(1) says so. */
function probeNamespaces(unshare: string | undefined, euid: number): MachineFacts['namespaces'] {
  if (unshare === undefined) return { work: false, error: 'unshare (util-linux) is not installed' };
  const user = euid === 0 ? [] : ['--user', '--map-root-user'];
  const args = [...user, '--mount', '--pid', '--ipc', '--uts', '--fork', '--mount-proc', 'true'];
  const { status, stderr, error } = spawnSync(unshare, args, { encoding: 'utf8', timeout: PROBE_TIMEOUT_MS });
  if (status === 0) return { work: true };
  return { work: false, error: stderr.trim() || (error?.message ?? `unshare ended with status ${status}`) };
}

function surroundingsOf(env: Environment): MachineFacts['surroundings'] {
  if (env.KUBERNETES_SERVICE_HOST !== undefined) return 'kubernetes';
  if (existsSync('/run/.containerenv')) return 'podman';
  return existsSync('/.dockerenv') ? 'docker' : 'machine';
}

function versionOf(program: string): string {
  const { stdout } = spawnSync(program, ['--version'], { encoding: 'utf8', env: {}, timeout: PROBE_TIMEOUT_MS });
  return (stdout ?? '').split('\n')[0] ?? '';
}

function idsIn(path: string): number {
  const uid = process.getuid?.() ?? -1;
  const ranges = parseRanges(readIfThere(path) ?? '', { name: userName() ?? String(uid), uid });
  return ranges.reduce((sum, { count }) => sum + count, 0);
}

function userName(): string | undefined {
  try {
    return userInfo().username;
  } catch (error) {
    // In containers users often have no entry in /etc/passwd.
    if (errnoOf(error) === 'ERR_SYSTEM_ERROR') return undefined;
    throw error;
  }
}

function binfmtNames(): string[] | undefined {
  const folder = '/proc/sys/fs/binfmt_misc';
  if (!existsSync(`${folder}/status`)) return undefined;
  const names = readdirSync(folder).filter((name) => name.startsWith('qemu-'));
  return names.filter((name) => readIfThere(`${folder}/${name}`)?.startsWith('enabled')).map((name) => name.slice(5));
}

/** Those that can hold limits, each where this process's steps would have theirs; both versions may be there, one for each controller. */
function cgroups(): MachineFacts['cgroups'] {
  using opened = openHierarchies();
  const { hierarchies } = opened;
  const isUnified = existsSync('/sys/fs/cgroup/cgroup.controllers');
  const version =
    hierarchies.some((one) => one.version === 2) || isUnified ? 2 : hierarchies.length > 0 ? 1 : undefined;
  return {
    version,
    controllers: [...new Set(hierarchies.flatMap(({ controllers }) => controllers))],
    writable:
      hierarchies.length > 0 &&
      hierarchies.every(({ folder, own }) => {
        const place = existsSync(`${folder}${own}`) ? `${folder}${own}` : folder;
        return isAllowed(place, constants.W_OK);
      }),
  };
}

/** Of the folder itself, or of the nearest one above that exists. */
function probeStore(path: string): MachineFacts['store'] {
  let folder = path;
  while (!existsSync(folder) && folder !== '/') folder = dirname(folder);
  const magic = statfsSync(folder).type;
  return {
    path,
    writable: isAllowed(folder, constants.W_OK),
    filesystem: FILESYSTEMS[magic] ?? `0x${magic.toString(16)}`,
  };
}

function isAllowed(path: string, mode: number): boolean {
  try {
    accessSync(path, mode);
    return true;
  } catch {
    // Not there, not allowed, or on something read-only: in each case it cannot be used.
    return false;
  }
}

function readIfThere(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    // Kernels, distributions and containers differ in which of these files there are and who may read them.
    return undefined;
  }
}
