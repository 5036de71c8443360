import { constants } from 'node:os';
import { errnoName } from '../../core/errno-name.ts';
import { loadKoffi } from '../../core/load-koffi.ts';
import type { OciDevice } from '../devices/oci-device.ts';
import { descriptorMessage, messageHeader, withUnixAddress } from '../unix-messages.ts';

/** The system calls of the init alone. They run on its main thread, which is the one that becomes the command, and throw Errors with `code`. */
export interface InitSyscalls {
  /** unshare(2) with CLONE_NEW* flags. */
  unshare(flags: number): void;
  /** setns(2) into the namespace behind the descriptor, of any kind. */
  setNamespace(fd: number): void;
  setHostname(name: string): void;
  /** Sets the loopback device of this network namespace up. */
  loopbackUp(): void;
  /** A detached copy of the mount at `path`, or at the descriptor `path`. */
  cloneMount(path: string | number, depth: 'alone' | 'recursive'): number;
  /** A detached new mount of a filesystem; `undefined` as a parameter's value is a flag. */
  newMount(type: string, parameters: readonly (readonly [string, string | undefined])[], attributes: number): number;
  /** Adds MOUNT_ATTRIBUTES to a detached mount, and with `recursive` to those below it. */
  addMountAttributes(mount: number, attributes: number, depth: 'alone' | 'recursive'): void;
  /** Puts a detached mount on what the descriptor `target` shows, and closes neither. */
  attachMount(mount: number, target: number): void;
  /** Makes the mount `path` the root of this mount namespace, alone: what was mounted before is gone. */
  changeRoot(path: string): void;
  makeFolderAt(folder: number, name: Uint8Array): void;
  makeFileAt(folder: number, name: Uint8Array): void;
  /** Its mode is for everybody, less the umask. */
  makeDeviceAt(folder: number, name: string, device: Pick<OciDevice, 'type' | 'major' | 'minor'>): void;
  setLimit(resource: number, soft: bigint, hard: bigint): void;
  /** Leaves the session keyring of the builder's user, whose keys a step must not see. */
  newSessionKeyring(): void;
  setGroups(groups: readonly number[]): void;
  setGroup(gid: number): void;
  /** Becomes the user, with the permitted capabilities kept. */
  setUser(uid: number): void;
  /** Whether the capability is in the bounding set; undefined for one that the kernel does not know. */
  isBounding(capability: number): boolean | undefined;
  dropBounding(capability: number): void;
  setCapabilities(sets: CapabilitySets): void;
  raiseAmbient(capability: number): void;
  /** Filters this thread's system calls by a BPF program (`struct sock_filter[]`). */
  setSeccompFilter(program: Uint8Array): void;
  /** The same with a descriptor of what the filter asks about, close-on-exec. */
  setNotifyingFilter(program: Uint8Array): number;
  /** A connection to the unix socket, close-on-exec. */
  connect(path: string): number;
  /** Gives the process behind the socket a descriptor (SCM_RIGHTS). */
  sendDescriptor(socket: number, fd: number): void;
  /** A copy of `from` at the number `to`, which stays open in the command. */
  duplicate(from: number, to: number): void;
  /** A copy of `from` above descriptor 2. */
  duplicateAbove(from: number): number;
  /** Lets every descriptor from `first` on end with execve(2). */
  closeOnExec(first: number): void;
  /** What Node ignores (SIGPIPE and SIGXFSZ) has its usual effect again. */
  resetSignals(): void;
  newSession(): void;
  /** Makes a terminal that no other session has that of this session, of which this process is the first. */
  takeTerminal(fd: number): void;
  /** execve(2): returns only when it failed, with the errno's name. */
  execute(path: string, args: readonly string[], env: readonly string[]): string;
}

/** Bit masks, bit n for capability n. */
export interface CapabilitySets {
  readonly effective: bigint;
  readonly permitted: bigint;
  readonly inheritable: bigint;
}

/** CLONE_NEW* (linux/sched.h) by the OCI specification's names. */
export const NAMESPACES = {
  mount: 0x20000,
  cgroup: 0x2000000,
  uts: 0x4000000,
  ipc: 0x8000000,
  network: 0x40000000,
} as const;

/** MOUNT_ATTR_* (linux/mount.h). */
export const MOUNT_ATTRIBUTES = {
  readonly: 1,
  nosuid: 2,
  nodev: 4,
  noexec: 8,
  noatime: 0x10,
  strictatime: 0x20,
} as const;

/** Of calls without a C function; their numbers are the same on every architecture. */
const SYSCALL = {
  openTree: 428,
  moveMount: 429,
  fsopen: 430,
  fsconfig: 431,
  fsmount: 432,
  closeRange: 436,
  mountSetattr: 442,
} as const;
const KEYCTL: Partial<Record<NodeJS.Architecture, number>> = {
  x64: 250,
  arm64: 219,
  riscv64: 219,
  loong64: 219,
  ppc64: 271,
  s390x: 280,
};
const KEYCTL_JOIN_SESSION_KEYRING = 1;
const AT_FDCWD = -100;
const AT_EMPTY_PATH = 0x1000;
const AT_RECURSIVE = 0x8000;
const CLONE_TREE = 0x80001;
const CLOEXEC = 1;
const FSCONFIG = { setFlag: 0, setString: 1, create: 6 } as const;
/** F_EMPTY_PATH and T_EMPTY_PATH. */
const MOVE_BY_DESCRIPTORS = 0x44;
const MNT_DETACH = 2;
const MODE = { file: 0o100644, c: 0o020666, b: 0o060666 } as const;
const PRCTL = { setKeepCaps: 8, setSeccomp: 22, readBounding: 23, dropBounding: 24, ambient: 47 } as const;
const SECCOMP: Partial<Record<NodeJS.Architecture, number>> = { x64: 317, arm64: 277 };
const SECCOMP_MODE_FILTER = 2;
const SECCOMP_SET_MODE_FILTER = 1;
const SECCOMP_FILTER_FLAG_NEW_LISTENER = 8;
const AF_UNIX = 1;
const SOCK_STREAM = 0o2000001;
const AMBIENT_RAISE = 2;
const CAPABILITY_VERSION = 0x20080522;
const CLOSE_RANGE_CLOEXEC = 4;
const F_DUPFD_CLOEXEC = 1030;
const AF_INET = 2;
const SOCK_DGRAM = 2;
const SIOCSIFFLAGS = 0x8914;
const TIOCSCTTY = 0x540e;
const IFF_UP_AND_RUNNING = 0x41;

/** Loads koffi. */
export function loadInitSyscalls(): InitSyscalls {
  const koffi = loadKoffi();
  const libc = koffi.load('libc.so.6');
  const errno = () => errnoName(koffi.errno());
  const check = (result: number, call: string, object: string | number): number => {
    if (result >= 0) return result;
    const code = errno();
    throw Object.assign(new Error(`${code}: ${call} '${object}'`), { code, syscall: call });
  };
  const cString = (bytes: Uint8Array) => Buffer.concat([bytes, Buffer.alloc(1)]);

  const openTree = libc.func('syscall', 'long', ['long', 'long', 'const char*', 'ulong']);
  const fsopen = libc.func('syscall', 'long', ['long', 'const char*', 'long']);
  const fsconfig = libc.func('syscall', 'long', ['long', 'long', 'long', 'const char*', 'const char*', 'long']);
  const fsmount = libc.func('syscall', 'long', ['long', 'long', 'long', 'long']);
  const moveMount = libc.func('syscall', 'long', ['long', 'long', 'const char*', 'long', 'const char*', 'long']);
  const mountSetattr = libc.func('syscall', 'long', ['long', 'long', 'const char*', 'long', 'const uint8_t*', 'ulong']);
  const closeRange = libc.func('syscall', 'long', ['long', 'ulong', 'ulong', 'long']);
  const keyctl = libc.func('syscall', 'long', ['long', 'long', 'const char*']);
  const close = libc.func('int close(int)');
  const unshare = libc.func('int unshare(int)');
  const setns = libc.func('int setns(int, int)');
  const sethostname = libc.func('int sethostname(const char*, ulong)');
  const socket = libc.func('int socket(int, int, int)');
  const ioctl = libc.func('int ioctl(int, ulong, const uint8_t*)');
  const chdir = libc.func('int chdir(const char*)');
  const pivotRoot = libc.func('int pivot_root(const char*, const char*)');
  const umount2 = libc.func('int umount2(const char*, int)');
  const mkdirat = libc.func('int mkdirat(int, const uint8_t*, uint32_t)');
  const mknodat = libc.func('int mknodat(int, const uint8_t*, uint32_t, uint64_t)');
  const prlimit = libc.func('int prlimit64(int, int, const uint8_t*, void*)');
  const setgroups = libc.func('int setgroups(ulong, const uint32_t*)');
  const setresgid = libc.func('int setresgid(uint32_t, uint32_t, uint32_t)');
  const setresuid = libc.func('int setresuid(uint32_t, uint32_t, uint32_t)');
  const prctl = libc.func('int prctl(int, ulong, ulong, ulong, ulong)');
  const capset = libc.func('int capset(const uint8_t*, const uint8_t*)');
  const program = koffi.struct({ length: 'uint16_t', filter: 'const uint8_t*' });
  const setSeccomp = libc.func('prctl', 'int', ['int', 'ulong', koffi.pointer(program), 'ulong', 'ulong']);
  const seccomp = libc.func('syscall', 'long', ['long', 'long', 'long', koffi.pointer(program)]);
  const connect = libc.func('int connect(int, const uint8_t*, uint32_t)');
  const sendmsg = libc.func('sendmsg', 'long', ['int', koffi.pointer(messageHeader(koffi)), 'int']);
  const dup2 = libc.func('int dup2(int, int)');
  const fcntl = libc.func('int fcntl(int, int, long)');
  const signal = libc.func('intptr_t signal(int, intptr_t)');
  const setsid = libc.func('int setsid()');
  const execve = libc.func('int execve(const char*, const char**, const char**)');

  const makeFileAt = (folder: number, name: Uint8Array) => {
    const result = mknodat(folder, cString(name), MODE.file, 0);
    check(result, 'mknodat', Buffer.from(name).toString());
  };

  return {
    unshare: (flags) => void check(unshare(flags), 'unshare', `0x${flags.toString(16)}`),
    setNamespace: (fd) => void check(setns(fd, 0), 'setns', fd),
    setHostname: (name) => void check(sethostname(name, Buffer.byteLength(name)), 'sethostname', name),
    loopbackUp: () => {
      const request = Buffer.alloc(40);
      request.write('lo');
      request.writeUInt16LE(IFF_UP_AND_RUNNING, 16);
      const fd = check(socket(AF_INET, SOCK_DGRAM, 0), 'socket', 'AF_INET');
      check(ioctl(fd, SIOCSIFFLAGS, request), 'ioctl', 'SIOCSIFFLAGS lo');
      close(fd);
    },
    cloneMount: (path, depth) => {
      const [folder, name] = typeof path === 'number' ? [path, ''] : [AT_FDCWD, path];
      const flags = CLONE_TREE | AT_EMPTY_PATH | (depth === 'recursive' ? AT_RECURSIVE : 0);
      return check(openTree(SYSCALL.openTree, folder, name, flags), 'open_tree', path);
    },
    newMount: (type, parameters, attributes) => {
      const context = check(fsopen(SYSCALL.fsopen, type, CLOEXEC), 'fsopen', type);
      for (const [key, value] of parameters) {
        const command = value === undefined ? FSCONFIG.setFlag : FSCONFIG.setString;
        check(fsconfig(SYSCALL.fsconfig, context, command, key, value ?? null, 0), 'fsconfig', `${type} ${key}`);
      }
      check(fsconfig(SYSCALL.fsconfig, context, FSCONFIG.create, null, null, 0), 'fsconfig', type);
      const mount = check(fsmount(SYSCALL.fsmount, context, CLOEXEC, attributes), 'fsmount', type);
      close(context);
      return mount;
    },
    addMountAttributes: (mount, attributes, depth) => {
      const wanted = Buffer.alloc(32);
      wanted.writeBigUInt64LE(BigInt(attributes));
      const flags = AT_EMPTY_PATH | (depth === 'recursive' ? AT_RECURSIVE : 0);
      check(mountSetattr(SYSCALL.mountSetattr, mount, '', flags, wanted, wanted.length), 'mount_setattr', mount);
    },
    attachMount: (mount, target) =>
      void check(moveMount(SYSCALL.moveMount, mount, '', target, '', MOVE_BY_DESCRIPTORS), 'move_mount', target),
    changeRoot: (path) => {
      check(chdir(path), 'chdir', path);
      // The old root comes to lie on top of the new one, from where it is taken off.
      check(pivotRoot('.', '.'), 'pivot_root', path);
      check(umount2('.', MNT_DETACH), 'umount2', '.');
      check(chdir('/'), 'chdir', '/');
    },
    makeFolderAt: (folder, name) =>
      void check(mkdirat(folder, cString(name), 0o755), 'mkdirat', Buffer.from(name).toString()),
    makeFileAt,
    makeDeviceAt: (folder, name, { type, major, minor }) => {
      const number = ((minor & ~0xff) << 12) | (major << 8) | (minor & 0xff);
      check(mknodat(folder, cString(Buffer.from(name)), MODE[type], number), 'mknodat', name);
    },
    setLimit: (resource, soft, hard) => {
      const limit = Buffer.alloc(16);
      limit.writeBigUInt64LE(soft, 0);
      limit.writeBigUInt64LE(hard, 8);
      check(prlimit(0, resource, limit, null), 'prlimit', resource);
    },
    newSessionKeyring: () => {
      const number = KEYCTL[process.arch];
      if (number !== undefined) check(keyctl(number, KEYCTL_JOIN_SESSION_KEYRING, null), 'keyctl', 'session keyring');
    },
    setGroups: (groups) => void check(setgroups(groups.length, Uint32Array.from(groups)), 'setgroups', groups.join()),
    setGroup: (gid) => void check(setresgid(gid, gid, gid), 'setresgid', gid),
    setUser: (uid) => {
      check(prctl(PRCTL.setKeepCaps, 1, 0, 0, 0), 'prctl', 'PR_SET_KEEPCAPS');
      check(setresuid(uid, uid, uid), 'setresuid', uid);
    },
    isBounding: (capability) => {
      const result = prctl(PRCTL.readBounding, capability, 0, 0, 0);
      return result < 0 ? undefined : result === 1;
    },
    dropBounding: (capability) =>
      void check(prctl(PRCTL.dropBounding, capability, 0, 0, 0), 'prctl', 'PR_CAPBSET_DROP'),
    setCapabilities: ({ effective, permitted, inheritable }) => {
      const header = Buffer.alloc(8);
      header.writeUInt32LE(CAPABILITY_VERSION);
      const sets = Buffer.alloc(24);
      for (const [index, set] of [effective, permitted, inheritable].entries()) {
        sets.writeUInt32LE(Number(set & 0xffffffffn), index * 4);
        sets.writeUInt32LE(Number(set >> 32n), 12 + index * 4);
      }
      check(capset(header, sets), 'capset', permitted.toString(16));
    },
    raiseAmbient: (capability) =>
      void check(prctl(PRCTL.ambient, AMBIENT_RAISE, capability, 0, 0), 'prctl', 'PR_CAP_AMBIENT_RAISE'),
    setSeccompFilter: (filter) => {
      const result = setSeccomp(PRCTL.setSeccomp, SECCOMP_MODE_FILTER, { length: filter.length / 8, filter }, 0, 0);
      check(result, 'prctl', 'PR_SET_SECCOMP');
    },
    setNotifyingFilter: (filter) => {
      const setting = { length: filter.length / 8, filter };
      const flags = SECCOMP_FILTER_FLAG_NEW_LISTENER;
      return check(
        seccomp(SECCOMP[process.arch] ?? -1, SECCOMP_SET_MODE_FILTER, flags, setting),
        'seccomp',
        'listener',
      );
    },
    connect: (path) => {
      const fd = check(socket(AF_UNIX, SOCK_STREAM, 0), 'socket', 'AF_UNIX');
      withUnixAddress(path, (address) => check(connect(fd, address, address.length), 'connect', path));
      return fd;
    },
    sendDescriptor: (to, fd) => {
      const vectors = [{ base: Buffer.from('.'), length: 1 }];
      const control = descriptorMessage(fd);
      check(sendmsg(to, { vectors, vectorCount: 1, control, controlLength: control.length }, 0), 'sendmsg', fd);
    },
    duplicate: (from, to) => void check(dup2(from, to), 'dup2', from),
    duplicateAbove: (from) => check(fcntl(from, F_DUPFD_CLOEXEC, 3), 'fcntl', from),
    closeOnExec: (first) =>
      void check(closeRange(SYSCALL.closeRange, first, 0xffffffff, CLOSE_RANGE_CLOEXEC), 'close_range', first),
    resetSignals: () => {
      for (const number of [constants.signals.SIGPIPE, constants.signals.SIGXFSZ]) signal(number, 0);
    },
    newSession: () => void check(setsid(), 'setsid', ''),
    takeTerminal: (fd) => void check(ioctl(fd, TIOCSCTTY, null), 'ioctl', 'TIOCSCTTY'),
    execute: (path, args, env) => {
      execve(path, [...args, null], [...env, null]);
      return errno();
    },
  };
}
