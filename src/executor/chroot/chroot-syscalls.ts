import { createRequire } from 'node:module';
import type { BytePath } from '../../core/byte-path.ts';
import { errnoName } from '../../core/errno-name.ts';

/** The system calls of chroot isolation alone. They throw Errors with `code`, as those of node:fs do. */
export interface ChrootSyscalls {
  chroot(path: string): void;
  /** What this process's descendants leave behind when they end becomes its children (PR_SET_CHILD_SUBREAPER). */
  becomeSubreaper(): void;
  /**
   * No process without CAP_SYS_PTRACE may read this one's memory and environment any more, whatever its user (PR_SET_DUMPABLE 0). It ends
   * with execve(2).
   */
  hideMemory(): void;
  /** Waits for any child and takes its status away; false where there is none left. */
  reapChild(): boolean;
  /** flock(2), exclusive, without waiting: false where somebody else has it. It ends when the descriptor is closed. */
  tryLock(fd: number): boolean;
  /** renameat2(2) with RENAME_EXCHANGE: each of the two becomes the other. */
  exchange(path: BytePath, other: BytePath): void;
}

const PRCTL = { setDumpable: 4, setChildSubreaper: 36 } as const;
const LOCK_EXCLUSIVE_NOW = 6;
const AT_FDCWD = -100;
const RENAME_EXCHANGE = 2;

let loaded: ChrootSyscalls | undefined;

/** The system calls; loads koffi on first use. */
export function chrootSyscalls(): ChrootSyscalls {
  loaded ??= load();
  return loaded;
}

function load(): ChrootSyscalls {
  const koffi = createRequire(import.meta.url)('koffi') as typeof import('koffi');
  const libc = koffi.load('libc.so.6');
  const chroot = libc.func('int chroot(const char*)');
  const prctl = libc.func('int prctl(int, ulong, ulong, ulong, ulong)');
  const waitpid = libc.func('int waitpid(int, void*, int)');
  const flock = libc.func('int flock(int, int)');
  const renameat2 = libc.func('int renameat2(int, const uint8_t*, int, const uint8_t*, uint)');

  const errno = () => errnoName(koffi.errno());
  const check = (result: number, call: string, object: string): void => {
    if (result >= 0) return;
    const code = errno();
    throw Object.assign(new Error(`${code}: ${call} '${object}'`), { code, syscall: call });
  };
  return {
    chroot: (path) => check(chroot(path), 'chroot', path),
    becomeSubreaper: () => check(prctl(PRCTL.setChildSubreaper, 1, 0, 0, 0), 'prctl', 'PR_SET_CHILD_SUBREAPER'),
    hideMemory: () => check(prctl(PRCTL.setDumpable, 0, 0, 0, 0), 'prctl', 'PR_SET_DUMPABLE'),
    reapChild: () => {
      for (;;) {
        if (waitpid(-1, null, 0) >= 0) return true;
        const code = errno();
        if (code === 'ECHILD') return false;
        if (code !== 'EINTR') throw Object.assign(new Error(`${code}: waitpid`), { code, syscall: 'waitpid' });
      }
    },
    tryLock: (fd) => {
      if (flock(fd, LOCK_EXCLUSIVE_NOW) >= 0) return true;
      const code = errno();
      if (code === 'EWOULDBLOCK' || code === 'EAGAIN') return false;
      throw Object.assign(new Error(`${code}: flock`), { code, syscall: 'flock' });
    },
    exchange: (path, other) => {
      const result = renameat2(AT_FDCWD, terminated(path), AT_FDCWD, terminated(other), RENAME_EXCHANGE);
      check(result, 'renameat2', `${path} -> ${other}`);
    },
  };
}

function terminated(path: BytePath): Buffer {
  return Buffer.from(`${path}\0`, 'latin1');
}
