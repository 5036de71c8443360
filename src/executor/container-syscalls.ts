import { constants } from 'node:os';
import { errnoName } from '../core/errno-name.ts';
import { loadKoffi } from '../core/load-koffi.ts';
import { withUnixAddress } from './unix-messages.ts';

/** The system calls of the executor alone, by koffi as those of core/syscalls.ts. They throw Errors with `code` and `syscall`. */
export interface ContainerSyscalls {
  /**
   * A descriptor (O_PATH, close-on-exec) of `path` below the folder `root`, resolved by the kernel as a process chrooted to `root`
   * would resolve it, whatever others rename meanwhile (openat2(2), RESOLVE_IN_ROOT). The caller closes it. Throws EAGAIN or EXDEV only where
   * renames disturb every one of many attempts.
   */
  openInRoot(root: string, path: Uint8Array): number;
  /** A descriptor of an empty file in memory, close-on-exec. */
  memoryFile(): number;
  /** The same for a program, which can be executed, and sealed. EACCES where the machine does not allow that. */
  executableMemory(): number;
  /** Makes a file in memory one that nobody can change, ever. */
  seal(fd: number): void;
  /** Both ends of a pipe, close-on-exec. */
  pipe(): { readonly read: number; readonly write: number };
  /** A listening unix socket at `path`, close-on-exec. */
  listen(path: string): number;
  /**
   * A mount of type `type`, without device nodes, made by fsconfig(2), which takes any number of parameters of any length where mount(2) takes a page;
   * `undefined` as a value is a flag. Throws ENOSYS below Linux 5.2, EINVAL for a parameter that the kernel does not know.
   */
  mountByParameters(type: string, target: string, parameters: readonly (readonly [string, string | undefined])[]): void;
}

const SYSCALL = { moveMount: 429, fsopen: 430, fsconfig: 431, fsmount: 432, openat2: 437 } as const;
const AT_FDCWD = -100;
const O_CLOEXEC = 0o2000000;
const O_PATH = 0o10000000;
const RESOLVE_NO_MAGICLINKS = 0x02;
const RESOLVE_IN_ROOT = 0x10;
/** The kernel gives up on a path with `..` when anything at all is renamed meanwhile. */
const OPEN_ATTEMPTS = 1000;
/** A folder on the way was renamed, anywhere (EAGAIN) or out of the root (EXDEV), while the path was resolved. */
const DISTURBED: ReadonlySet<number> = new Set([constants.errno.EAGAIN, constants.errno.EXDEV]);
const FSCONFIG = { setFlag: 0, setString: 1, create: 6 } as const;
const MOVE_MOUNT_F_EMPTY_PATH = 4;
const MFD = { cloexec: 1, allowSealing: 2, exec: 16 } as const;
const F_ADD_SEALS = 1033;
/** F_SEAL_SEAL, F_SEAL_SHRINK, F_SEAL_GROW, F_SEAL_WRITE. */
const ALL_SEALS = 15;
const MOUNT_ATTR_NODEV = 4;
const AF_UNIX = 1;
const SOCK_STREAM = 1;

let loaded: ContainerSyscalls | undefined;

/** The system calls; loads koffi on first use. */
export function containerSyscalls(): ContainerSyscalls {
  loaded ??= load();
  return loaded;
}

function load(): ContainerSyscalls {
  const koffi = loadKoffi();
  const libc = koffi.load('libc.so.6');
  // These have no wrapper in older C libraries, and their numbers are the same on every architecture.
  const openat2 = libc.func('syscall', 'long', ['long', 'long', 'const uint8_t*', 'const uint8_t*', 'ulong']);
  const newMountCall = libc.func('syscall', 'long', ['long', 'long', 'long', 'const char*', 'const char*', 'long']);
  const moveMount = libc.func('syscall', 'long', ['long', 'long', 'const char*', 'long', 'const char*', 'long']);
  const fsopen = libc.func('syscall', 'long', ['long', 'const char*', 'long']);
  const fsmount = libc.func('syscall', 'long', ['long', 'long', 'long', 'long']);
  const pipe2 = libc.func('int pipe2(_Out_ int*, int)');
  const memfdCreate = libc.func('int memfd_create(const char*, uint)');
  const fcntl = libc.func('int fcntl(int, int, int)');
  const socket = libc.func('int socket(int, int, int)');
  const bind = libc.func('int bind(int, const uint8_t*, uint32_t)');
  const listen = libc.func('int listen(int, int)');
  const open = libc.func('int open(const char*, int)');
  const close = libc.func('int close(int)');

  const check = (result: number, call: string, object: string): number => {
    if (result >= 0) return result;
    const number = koffi.errno();
    const code = errnoName(number);
    throw Object.assign(new Error(`${code}: ${call} '${object}'`), { code, errno: -number, syscall: call });
  };
  const openPath = (path: string, flags: number) => check(open(path, flags | O_CLOEXEC), 'open', path);
  const openBelow = (folder: number, name: Uint8Array, how: Uint8Array): number => {
    for (let attempt = 1; ; attempt++) {
      const fd = openat2(SYSCALL.openat2, folder, name, how, how.length);
      if (fd >= 0 || attempt === OPEN_ATTEMPTS || !DISTURBED.has(koffi.errno())) return fd;
    }
  };

  return {
    openInRoot: (root, path) => {
      const folder = openPath(root, O_PATH);
      const how = Buffer.alloc(24);
      how.writeBigUInt64LE(BigInt(O_PATH | O_CLOEXEC), 0);
      how.writeBigUInt64LE(BigInt(RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS), 16);
      const name = Buffer.concat([path, Buffer.alloc(1)]);
      try {
        return check(openBelow(folder, name, how), 'openat2', Buffer.from(path).toString());
      } finally {
        close(folder);
      }
    },
    memoryFile: () => check(memfdCreate('slipway', MFD.cloexec), 'memfd_create', 'slipway'),
    executableMemory: () => {
      const flags = MFD.cloexec | MFD.allowSealing;
      const fd = memfdCreate('slipway', flags | MFD.exec);
      // Before Linux 6.3 there is no such flag, and every such file can be executed.
      const isUnknown = fd < 0 && koffi.errno() === constants.errno.EINVAL;
      return check(isUnknown ? memfdCreate('slipway', flags) : fd, 'memfd_create', 'slipway');
    },
    seal: (fd) => void check(fcntl(fd, F_ADD_SEALS, ALL_SEALS), 'fcntl', `${fd}`),
    pipe: () => {
      const ends = [0, 0];
      check(pipe2(ends, O_CLOEXEC), 'pipe2', '');
      const [read = -1, write = -1] = ends;
      return { read, write };
    },
    listen: (path) => {
      const fd = check(socket(AF_UNIX, SOCK_STREAM | O_CLOEXEC, 0), 'socket', 'AF_UNIX');
      withUnixAddress(path, (address) => check(bind(fd, address, address.length), 'bind', path));
      check(listen(fd, 1), 'listen', path);
      return fd;
    },
    mountByParameters: (type, target, parameters) => {
      const context = check(fsopen(SYSCALL.fsopen, type, 1), 'fsopen', type);
      let mount = -1;
      try {
        for (const [key, value] of parameters) {
          const command = value === undefined ? FSCONFIG.setFlag : FSCONFIG.setString;
          check(newMountCall(SYSCALL.fsconfig, context, command, key, value ?? null, 0), 'fsconfig', `${key}=${value}`);
        }
        check(newMountCall(SYSCALL.fsconfig, context, FSCONFIG.create, null, null, 0), 'fsconfig', type);
        mount = check(fsmount(SYSCALL.fsmount, context, 1, MOUNT_ATTR_NODEV), 'fsmount', type);
        check(moveMount(SYSCALL.moveMount, mount, '', AT_FDCWD, target, MOVE_MOUNT_F_EMPTY_PATH), 'move_mount', target);
      } finally {
        if (mount >= 0) close(mount);
        close(context);
      }
    },
  };
}
