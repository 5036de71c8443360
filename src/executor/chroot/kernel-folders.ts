import {
  chmodSync,
  chownSync,
  closeSync,
  existsSync,
  mkdirSync,
  openSync,
  readFileSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { type BytePath, hostPath } from '../../core/byte-path.ts';
import { errnoOf, SlipwayError } from '../../core/errors.ts';
import { syscalls } from '../../core/syscalls.ts';
import { STANDARD_DEVICES } from '../devices/standard-devices.ts';
import { parentOf } from './root-state.ts';

/** Without /proc there is no /proc/self/fd for these to lead to. */
const LINKS = { stdin: 'null', 'fd/0': '../null', 'fd/1': '../stdout', 'fd/2': '../stderr' } as const;
const FOLDERS = { fd: 0o755, shm: 0o1777, mqueue: 0o1777, pts: 0o755 } as const;
/** Pipes with names: programs open /dev/stdout and /dev/stderr, which are links into /proc elsewhere. */
export const OUTPUTS = ['stdout', 'stderr'] as const;
const S_IFCHR = 0o020000;
const S_IFIFO = 0o010000;

/** What programs read of /proc without a process id. Copies: they do not change while the step runs. */
const PROC_FILES = [
  ...['cpuinfo', 'filesystems', 'loadavg', 'meminfo', 'stat', 'uptime', 'version'],
  ...['sys/kernel/cap_last_cap', 'sys/kernel/osrelease', 'sys/kernel/ostype', 'sys/kernel/pid_max'],
  ...['sys/net/core/somaxconn', 'sys/vm/max_map_count', 'sys/vm/overcommit_memory'],
];
const PROC_FILE_LIMIT = 4 * 1024 * 1024;

/**
 * Fills the new folder `host` as a container's /dev, with `stdout` and `stderr` as named pipes of the user's.
 * `SLIPWAY_CHROOT_FORBIDDEN` where device nodes cannot be made or opened.
 */
export function makeDeviceFolder(host: BytePath, uid: number): void {
  makeFolder(host, 0o755);
  for (const { path, major, minor } of STANDARD_DEVICES) {
    makeNode(`${host}${path.slice('/dev'.length)}` as BytePath, S_IFCHR, [major, minor]);
  }
  openNullDevice(`${host}/null` as BytePath);
  for (const [name, mode] of Object.entries(FOLDERS)) makeFolder(`${host}/${name}` as BytePath, mode);
  for (const [name, target] of Object.entries(LINKS)) symlinkSync(target, hostPath(`${host}/${name}` as BytePath));
  for (const name of OUTPUTS) {
    const path = `${host}/${name}` as BytePath;
    syscalls().mknod(path, S_IFIFO | 0o600, 0, 0);
    chownSync(hostPath(path), uid, 0);
    chmodSync(hostPath(path), 0o622);
  }
}

/** Fills the new folder `host` as /proc, as far as that can be had by copying. */
export function makeProcFolder(host: BytePath): void {
  makeFolder(host, 0o555);
  for (const name of PROC_FILES.filter((file) => existsSync(`/proc/${file}`))) {
    const path = `${host}/${name}` as BytePath;
    mkdirSync(hostPath(parentOf(path)), { recursive: true, mode: 0o555 });
    writeFileSync(hostPath(path), readFileSync(`/proc/${name}`).subarray(0, PROC_FILE_LIMIT), { mode: 0o444 });
  }
}

/** An empty folder, with a mode whatever the umask is. */
export function makeFolder(host: BytePath, mode: number): void {
  mkdirSync(hostPath(host));
  chmodSync(hostPath(host), mode);
}

function makeNode(path: BytePath, type: number, [major, minor]: readonly [number, number]): void {
  try {
    syscalls().mknod(path, type | 0o666, major, minor);
  } catch (error) {
    if (errnoOf(error) === 'EPERM') throw withoutDevices('mknod(2) is not permitted', error);
    throw error;
  }
  chmodSync(hostPath(path), 0o666);
}

function openNullDevice(path: BytePath): void {
  try {
    closeSync(openSync(hostPath(path), 'r+'));
  } catch (error) {
    if (errnoOf(error) !== 'EACCES' && errnoOf(error) !== 'EPERM') throw error;
    throw withoutDevices('device nodes in the store cannot be opened', error);
  }
}

function withoutDevices(problem: string, cause: unknown): SlipwayError {
  return new SlipwayError(
    'SLIPWAY_CHROOT_FORBIDDEN',
    `chroot isolation cannot give RUN steps a /dev/null: ${problem}`,
    {
      cause,
      hint: 'it needs CAP_MKNOD outside of a user namespace, and a store (SLIPWAY_ROOT) on a filesystem that is not mounted with nodev',
    },
  );
}
