import { constants } from 'node:os';
import { errnoName } from '../../core/errno-name.ts';
import { loadKoffi } from '../../core/load-koffi.ts';
import { messageHeader, receivedDescriptor } from '../unix-messages.ts';
import { AT_SYMLINK_NOFOLLOW } from './notified-calls.ts';

/**
 * The system calls of the supervisor alone, by koffi. Those that a step can make fail return a negative errno; the others throw Errors with
 * `code`.
 */
export interface SupervisorSyscalls {
  /**
   * Gives this thread a root, a working directory and a umask of its own, and returns whether the kernel lets it be told of other
   * processes' calls: a container around slipway may do that itself, and there can be only one who does.
   */
  prepareThread(): boolean;
  /** poll(2): what of each descriptor has happened, see `POLL`. */
  poll(descriptors: readonly number[], when: 'at-once' | 'when-any-has'): number[];
  /** accept4(2), close-on-exec. */
  accept(socket: number): number;
  /** The one descriptor that comes with the message which waits in the socket; undefined where the socket was closed without one. */
  receiveDescriptor(socket: number): number | undefined;
  /** Has callers and this thread take turns on one processor, where the kernel can (Linux 6.6). */
  takeTurns(listener: number): void;
  /** SECCOMP_IOCTL_NOTIF_RECV into a zeroed `struct seccomp_notif`: whether there was one. */
  receive(listener: number, notification: Uint8Array): boolean;
  /** SECCOMP_IOCTL_NOTIF_ID_VALID: whether the caller still waits. */
  isWaiting(listener: number, id: bigint): boolean;
  /** SECCOMP_IOCTL_NOTIF_SEND of a `struct seccomp_notif_resp`: whether the caller still waited. */
  send(listener: number, answer: Uint8Array): boolean;
  /**
   * process_vm_readv(2): copies a thread's memory up to the first page that is not there, at most two pages of 4 KiB. Returns how many bytes, or a
   * negative errno.
   */
  readMemory(pid: number, address: bigint, into: Uint8Array): number;
  chroot(path: string): number;
  chdirTo(folder: number): number;
  openAt(folder: number, path: Uint8Array, flags: number): number;
  makeNodeAt(folder: number, name: Uint8Array, mode: number): number;
  unlinkAt(folder: number, name: Uint8Array): number;
  /** Sets this thread's umask. */
  umask(mask: number): void;
  /** Does `work` with another owner and group than root for the files that it makes and opens, and with their rights alone. */
  withOwner<T>(owner: FileOwner, work: () => T): T;
  /** Value of an attribute of the file behind the descriptor; undefined where it has none. */
  attribute(file: number, name: string): Uint8Array | undefined;
  /** `struct stat` of the file behind the descriptor. */
  stat(file: number): Buffer;
  /** `struct statx` likewise, with `STATX_*` asked for. */
  statx(file: number, flags: number, mask: number): Buffer;
}

export interface FileOwner {
  readonly uid: number;
  readonly gid: number;
}

/** Events of poll(2). */
export const POLL = { in: 1, gone: 8 | 16 | 32 } as const;

const SECCOMP: Partial<Record<NodeJS.Architecture, number>> = { x64: 317, arm64: 277 };
const SECCOMP_SET_MODE_FILTER = 1;
const SECCOMP_FILTER_FLAG_NEW_LISTENER = 8;
/** One instruction: return SECCOMP_RET_ALLOW. */
const ALLOW_ALL = Buffer.from('060000000000ff7f', 'hex');
const IOCTL = { receive: 0xc0502100, send: 0xc0182101, isWaiting: 0x40082102, setFlags: 0x40082104 } as const;
const NEWFSTATAT: Partial<Record<NodeJS.Architecture, number>> = { x64: 262, arm64: 79 };
/** Of `struct stat`, by architecture, and of `struct statx`. */
const STAT_BYTES: Partial<Record<NodeJS.Architecture, number>> = { x64: 144, arm64: 128 };
const STATX_BYTES = 256;
const AT_EMPTY_PATH = 0x1000;
const ATTRIBUTE_LIMIT = 64;
const PAGE = 4096;
const SECCOMP_USER_NOTIF_FD_SYNC_WAKE_UP = 1;
const CLONE_FS = 0x200;
const SOCK_CLOEXEC = 0o2000000;
const MSG_CMSG_CLOEXEC = 0x40000000;
const PAYLOAD_LIMIT = 64 * 1024;
/** Room for one descriptor: the kernel closes what else may come. */
const CONTROL_BYTES = 24;

/** Loads koffi. */
export function loadSupervisorSyscalls(): SupervisorSyscalls {
  const koffi = loadKoffi();
  const libc = koffi.load('libc.so.6');
  const program = koffi.struct({ length: 'uint16_t', filter: 'const uint8_t*' });
  const seccomp = libc.func('syscall', 'long', ['long', 'long', 'long', koffi.pointer(program)]);
  const unshare = libc.func('int unshare(int)');
  const poll = libc.func('int poll(uint8_t*, ulong, int)');
  const accept4 = libc.func('int accept4(int, void*, void*, int)');
  const recvmsg = libc.func('recvmsg', 'long', ['int', koffi.pointer(messageHeader(koffi)), 'int']);
  const ioctl = libc.func('int ioctl(int, ulong, uint8_t*)');
  const ioctlWithValue = libc.func('ioctl', 'int', ['int', 'ulong', 'ulong']);
  const place = koffi.struct({ address: 'uint64_t', length: 'ulong' });
  const processVmReadv = libc.func('process_vm_readv', 'long', [
    'int',
    koffi.pointer(koffi.struct({ base: 'uint8_t*', length: 'ulong' })),
    'ulong',
    koffi.pointer(place),
    'ulong',
    'ulong',
  ]);
  const chroot = libc.func('int chroot(const char*)');
  const fchdir = libc.func('int fchdir(int)');
  const openat = libc.func('int openat(int, const uint8_t*, int)');
  const mknodat = libc.func('int mknodat(int, const uint8_t*, uint32_t, uint64_t)');
  const unlinkat = libc.func('int unlinkat(int, const uint8_t*, int)');
  const umask = libc.func('uint32_t umask(uint32_t)');
  const setfsgid = libc.func('int setfsgid(uint32_t)');
  const setfsuid = libc.func('int setfsuid(uint32_t)');
  const getxattr = libc.func('long getxattr(const char*, const char*, uint8_t*, ulong)');
  const newfstatat = libc.func('syscall', 'long', ['long', 'long', 'const char*', 'uint8_t*', 'long']);
  const statx = libc.func('int statx(int, const char*, int, uint, uint8_t*)');
  const close = libc.func('int close(int)');

  const orErrno = (result: number) => (result < 0 ? -koffi.errno() : result);
  const check = (result: number, call: string): number => {
    if (result >= 0) return result;
    const number = koffi.errno();
    const code = errnoName(number);
    throw Object.assign(new Error(`${code}: ${call}`), { code, syscall: call });
  };
  /** A call that a signal may interrupt, or that comes too late for whoever waited. */
  const isDone = (listener: number, request: number, argument: Uint8Array, call: string) => {
    for (;;) {
      if (ioctl(listener, request, argument) >= 0) return true;
      if (koffi.errno() === constants.errno.ENOENT) return false;
      if (koffi.errno() !== constants.errno.EINTR) check(-1, call);
    }
  };
  const id = Buffer.alloc(8);

  return {
    prepareThread: () => {
      check(unshare(CLONE_FS), 'unshare');
      const number = SECCOMP[process.arch];
      if (number === undefined) return false;
      const filter = { length: 1, filter: ALLOW_ALL };
      const listener = seccomp(number, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_NEW_LISTENER, filter);
      if (listener < 0) return false;
      close(listener);
      return true;
    },
    poll: (descriptors, when) => {
      const wanted = Buffer.alloc(descriptors.length * 8);
      for (const [index, fd] of descriptors.entries()) {
        wanted.writeInt32LE(fd, index * 8);
        wanted.writeInt16LE(POLL.in, index * 8 + 4);
      }
      while (poll(wanted, descriptors.length, when === 'at-once' ? 0 : -1) < 0)
        if (koffi.errno() !== constants.errno.EINTR) check(-1, 'poll');
      return descriptors.map((_, index) => wanted.readInt16LE(index * 8 + 6));
    },
    accept: (socket) => check(accept4(socket, null, null, SOCK_CLOEXEC), 'accept4'),
    receiveDescriptor: (socket) => {
      const control = Buffer.alloc(CONTROL_BYTES);
      const vectors = [{ base: Buffer.alloc(PAYLOAD_LIMIT), length: PAYLOAD_LIMIT }];
      const request = { vectors, vectorCount: 1, control, controlLength: control.length };
      if (check(recvmsg(socket, request, MSG_CMSG_CLOEXEC), 'recvmsg') === 0) return undefined;
      return receivedDescriptor(control);
    },
    takeTurns: (listener) => void ioctlWithValue(listener, IOCTL.setFlags, SECCOMP_USER_NOTIF_FD_SYNC_WAKE_UP),
    receive: (listener, notification) => isDone(listener, IOCTL.receive, notification, 'SECCOMP_IOCTL_NOTIF_RECV'),
    isWaiting: (listener, notification) => {
      id.writeBigUInt64LE(notification);
      return isDone(listener, IOCTL.isWaiting, id, 'SECCOMP_IOCTL_NOTIF_ID_VALID');
    },
    send: (listener, answer) => isDone(listener, IOCTL.send, answer, 'SECCOMP_IOCTL_NOTIF_SEND'),
    readMemory: (pid, address, into) => {
      // A place that is only partly there is not read at all.
      const first = Math.min(into.length, PAGE - Number(address % BigInt(PAGE)));
      const places = [
        { address, length: first },
        { address: address + BigInt(first), length: into.length - first },
      ];
      return orErrno(processVmReadv(pid, [{ base: into, length: into.length }], 1, places, 2, 0));
    },
    chroot: (path) => orErrno(chroot(path)),
    chdirTo: (folder) => orErrno(fchdir(folder)),
    openAt: (folder, path, flags) => orErrno(openat(folder, path, flags | SOCK_CLOEXEC)),
    makeNodeAt: (folder, name, mode) => orErrno(mknodat(folder, name, mode, 0)),
    unlinkAt: (folder, name) => orErrno(unlinkat(folder, name, 0)),
    umask: (mask) => void umask(mask),
    withOwner: ({ uid, gid }, work) => {
      // The group first: it takes a right that goes with the user.
      setfsgid(gid);
      setfsuid(uid);
      try {
        return work();
      } finally {
        setfsuid(0);
        setfsgid(0);
      }
    },
    attribute: (file, name) => {
      const value = Buffer.alloc(ATTRIBUTE_LIMIT);
      const length = getxattr(`/proc/self/fd/${file}`, name, value, value.length);
      return length < 0 ? undefined : value.subarray(0, length);
    },
    stat: (file) => {
      const result = Buffer.alloc(STAT_BYTES[process.arch] ?? 0);
      check(newfstatat(NEWFSTATAT[process.arch] ?? -1, file, '', result, AT_EMPTY_PATH), 'newfstatat');
      return result;
    },
    statx: (file, flags, mask) => {
      const result = Buffer.alloc(STATX_BYTES);
      check(statx(file, '', (flags & ~AT_SYMLINK_NOFOLLOW) | AT_EMPTY_PATH, mask, result), 'statx');
      return result;
    },
  };
}
