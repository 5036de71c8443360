import { type BytePath, hostPath } from './byte-path.ts';
import { errnoName } from './errno-name.ts';
import { isPresentAt, makeStamps, STAMP, STAMP_WORDS, type Stamps, statAt } from './host-stamp.ts';
import type { HostStat } from './host-stat.ts';
import { loadKoffi } from './load-koffi.ts';

/**
 * The system calls that Node has no function for, by koffi. Loading costs a few ms, so nothing calls `syscalls` before it needs one.
 * Every function throws an Error with `code` (`EPERM`) and `syscall`, as those of node:fs do. They run on the calling thread.
 */
export interface Syscalls {
  /** mount(2). Flags are `MOUNT`'s. */
  mount(source: string, target: string, type: string, flags: number, data: string): void;
  /** umount2(2) with MNT_DETACH. */
  unmount(target: string): void;
  /**
   * unshare(2) with CLONE_NEWNS and every mount made private: the calling thread, and what it spawns from now on, has mounts that
   * nobody else sees and that vanish with the last process that does.
   */
  enterMountNamespace(): void;
  mknod(path: BytePath, mode: number, major: number, minor: number): void;
  /** lstat(2); undefined for what is not there. A name below `/proc/self/fd/N` takes a third of the time that its path takes. */
  lstat(path: BytePath): HostStat | undefined;
  /** lstat(2) of a name in an open folder, or of the folder itself for an empty one, as the stamp at `index`; zero for what is not there. */
  stamp(folder: number, name: BytePath, into: Stamps, index: number): void;
  /** Values by name; none for a filesystem without extended attributes. Links are not followed. */
  listXattrs(path: BytePath): Map<string, Buffer>;
  /** The names of an open file's extended attributes; none likewise. */
  xattrNames(descriptor: number): readonly string[];
  setXattr(path: BytePath, name: string, value: Uint8Array): void;
  removeXattr(path: BytePath, name: string): void;
  /**
   * lseek(2) to the next data or hole of an open file, at the offset or behind it; undefined where there is none. Where the filesystem
   * cannot tell, all is data.
   */
  seek(descriptor: number, offset: number, to: 'data' | 'hole'): number | undefined;
  /** utimensat(2) with AT_SYMLINK_NOFOLLOW, nanosecond mtime and atime. */
  setTimes(path: BytePath, seconds: number, nanoseconds?: number): void;
}

/** mount(2) flags (linux/mount.h). */
export const MOUNT = {
  readonly: 1,
  nosuid: 2,
  nodev: 4,
  noexec: 8,
  remount: 32,
  bind: 4096,
  recursive: 16384,
  private: 1 << 18,
  slave: 1 << 19,
} as const;

const CLONE_NEWNS = 0x20000;
const MNT_DETACH = 2;
const AT_FDCWD = -100;
const AT_SYMLINK_NOFOLLOW = 0x100;
const AT_EMPTY_PATH = 0x1000;
const XATTR_LIMIT = 64 * 1024;
const STATX_BYTES = 256;
/** lseek(2) */
const SEEK = { data: 3, hole: 4 } as const;
/** STATX_BASIC_STATS: what lstat(2) gives. */
const STATX_BASIC = 0x7ff;

let loaded: Syscalls | undefined;

/** The system calls; loads koffi on first use. */
export function syscalls(): Syscalls {
  loaded ??= load();
  return loaded;
}

function load(): Syscalls {
  const koffi = loadKoffi();
  const libc = koffi.load('libc.so.6');
  const mount = libc.func('int mount(const char*, const char*, const char*, ulong, const char*)');
  const umount2 = libc.func('int umount2(const char*, int)');
  const unshare = libc.func('int unshare(int)');
  const mknod = libc.func('int mknod(const uint8_t*, uint32_t, uint64_t)');
  const llistxattr = libc.func('long llistxattr(const uint8_t*, _Out_ uint8_t*, ulong)');
  const flistxattr = libc.func('long flistxattr(int, _Out_ uint8_t*, ulong)');
  const lgetxattr = libc.func('long lgetxattr(const uint8_t*, const char*, _Out_ uint8_t*, ulong)');
  const lsetxattr = libc.func('int lsetxattr(const uint8_t*, const char*, const uint8_t*, ulong, int)');
  const lremovexattr = libc.func('int lremovexattr(const uint8_t*, const char*)');
  const statx = libc.func('int statx(int, const void*, int, uint, void*)');
  const statxText = libc.func('statx', 'int', ['int', 'const char*', 'int', 'uint', 'void*']);
  const lseek = libc.func('int64_t lseek(int, int64_t, int)');
  const utimensat = libc.func('int utimensat(int, const uint8_t*, const uint8_t*, int)');

  const failure = (call: string, path: string) => {
    const number = koffi.errno();
    const code = errnoName(number);
    return Object.assign(new Error(`${code}: ${call} '${path}'`), { code, errno: -number, syscall: call, path });
  };
  const check = (result: number, call: string, path: string) => {
    if (result < 0) throw failure(call, path);
    return result;
  };
  const names = Buffer.alloc(XATTR_LIMIT);
  const value = Buffer.alloc(XATTR_LIMIT);
  const namesOf = (length: number, call: string, path: string) => {
    if (length > 0) return names.toString('latin1', 0, length - 1).split('\0');
    if (length === 0) return [];
    const error = failure(call, path);
    if (error.code === 'ENOTSUP' || error.code === 'EOPNOTSUPP') return [];
    throw error;
  };
  const times = Buffer.alloc(32);
  const stat = new Uint32Array(STATX_BYTES / Uint32Array.BYTES_PER_ELEMENT);
  const single = makeStamps(1);
  const stampOf = (folder: number, name: BytePath, flags: number, into: Stamps, index: number) => {
    const host = hostPath(name);
    const result =
      typeof host === 'string'
        ? statxText(folder, host, flags, STATX_BASIC, stat)
        : statx(folder, terminated(name), flags, STATX_BASIC, stat);
    if (result === 0) {
      copyStamp(stat, into, index * STAMP_WORDS);
      return;
    }
    const error = failure('lstat', name);
    if (error.code !== 'ENOENT') throw error;
    into.fill(0, index * STAMP_WORDS, (index + 1) * STAMP_WORDS);
  };

  return {
    mount: (source, target, type, flags, data) => void check(mount(source, target, type, flags, data), 'mount', target),
    unmount: (target) => void check(umount2(target, MNT_DETACH), 'umount2', target),
    enterMountNamespace: () => {
      check(unshare(CLONE_NEWNS), 'unshare', 'mount namespace');
      check(mount('none', '/', null, MOUNT.recursive | MOUNT.private, null), 'mount', '/');
    },
    mknod: (path, mode, major, minor) =>
      void check(mknod(terminated(path), mode, deviceNumber(major, minor)), 'mknod', path),
    lstat: (path) => {
      if (path.includes('\0')) return undefined;
      const [folder, name] = descriptorAndName(path) ?? [AT_FDCWD, path];
      stampOf(folder, name, AT_SYMLINK_NOFOLLOW, single, 0);
      return isPresentAt(single, 0) ? statAt(single, 0) : undefined;
    },
    stamp: (folder, name, into, index) =>
      stampOf(folder, name, name === '' ? AT_EMPTY_PATH : AT_SYMLINK_NOFOLLOW, into, index),
    listXattrs: (path) => {
      const found = new Map<string, Buffer>();
      for (const name of namesOf(llistxattr(terminated(path), names, XATTR_LIMIT), 'llistxattr', path)) {
        const size = check(lgetxattr(terminated(path), name, value, XATTR_LIMIT), 'lgetxattr', path);
        found.set(name, Buffer.from(value.subarray(0, size)));
      }
      return found;
    },
    xattrNames: (descriptor) => namesOf(flistxattr(descriptor, names, XATTR_LIMIT), 'flistxattr', `file ${descriptor}`),
    setXattr: (path, name, bytes) =>
      void check(lsetxattr(terminated(path), name, bytes, bytes.length, 0), 'lsetxattr', path),
    removeXattr: (path, name) => void check(lremovexattr(terminated(path), name), 'lremovexattr', path),
    seek: (descriptor, offset, to) => {
      const found = Number(lseek(descriptor, offset, SEEK[to]));
      if (found >= 0) return found;
      const error = failure('lseek', `file ${descriptor}`);
      if (error.code === 'ENXIO') return undefined;
      if (error.code === 'EINVAL') return to === 'data' ? offset : undefined;
      throw error;
    },
    setTimes: (path, seconds, nanoseconds = 0) => {
      for (const offset of [0, 16]) {
        times.writeBigInt64LE(BigInt(seconds), offset);
        times.writeBigInt64LE(BigInt(nanoseconds), offset + 8);
      }
      check(utimensat(AT_FDCWD, terminated(path), times, AT_SYMLINK_NOFOLLOW), 'utimensat', path);
    },
  };
}

const DESCRIPTORS = '/proc/self/fd/';

/** `/proc/self/fd/7/name` as what openat(2) and its kind take: the kernel finds the folder without looking into /proc. */
function descriptorAndName(path: BytePath): readonly [descriptor: number, name: BytePath] | undefined {
  if (!path.startsWith(DESCRIPTORS)) return undefined;
  const slash = path.indexOf('/', DESCRIPTORS.length);
  const descriptor = Number(path.slice(DESCRIPTORS.length, slash));
  const name = path.slice(slash + 1) as BytePath;
  return slash < 0 || name === '' || !Number.isInteger(descriptor) ? undefined : [descriptor, name];
}

/** From struct statx of linux/stat.h, as words. */
function copyStamp(stat: Uint32Array, into: Stamps, at: number): void {
  const word = (index: number) => stat[index] ?? 0;
  into[at + STAMP.links] = word(4);
  into[at + STAMP.uid] = word(5);
  into[at + STAMP.gid] = word(6);
  into[at + STAMP.mode] = word(7) & 0xffff;
  into[at + STAMP.ino] = word(8);
  into[at + STAMP.ino + 1] = word(9);
  into[at + STAMP.size] = word(10);
  into[at + STAMP.size + 1] = word(11);
  into[at + STAMP.ctime] = word(24);
  into[at + STAMP.ctime + 1] = word(25);
  into[at + STAMP.ctimeNanoseconds] = word(26);
  into[at + STAMP.mtime] = word(28);
  into[at + STAMP.mtime + 1] = word(29);
  into[at + STAMP.mtimeNanoseconds] = word(30);
  into[at + STAMP.device] = packed(word(32), word(33));
  into[at + STAMP.dev] = packed(word(34), word(35));
}

/** As the kernel has it: 12 bits of major and 20 of minor number. */
function packed(major: number, minor: number): number {
  return major * 2 ** 20 + minor;
}

function terminated(path: BytePath): Buffer {
  return Buffer.from(`${path}\0`, 'latin1');
}

/** makedev(3) of glibc. */
function deviceNumber(major: number, minor: number): bigint {
  const [high, low] = [BigInt(major), BigInt(minor)];
  return ((high & 0xfffff000n) << 32n) | ((high & 0xfffn) << 8n) | ((low & 0xffffff00n) << 12n) | (low & 0xffn);
}
