import { errnoName } from '../core/errno-name.ts';
import { loadKoffi } from '../core/load-koffi.ts';

/** A program to start. */
export interface SpawnRequest {
  /** Its absolute path, and its arguments. */
  readonly args: readonly string[];
  /** `NAME=value`: the whole environment. */
  readonly env: readonly string[];
  /** The descriptors of this process that are its 0, 1, 2 and so on. It has no others, but for those of this process that are not close-on-exec. */
  readonly descriptors: readonly number[];
  /** Whether it is in a session of its own, and so without the user's terminal. */
  readonly ownSession: boolean;
}

/**
 * posix_spawn(3) and waitpid(2), by koffi as the calls of core/syscalls.ts. Node's `spawn` copies the page tables of this process for a child that
 * needs none of them, which takes it 1 to 3 ms; these take 0.2.
 */
export interface ProcessSyscalls {
  /** Starts the program in the folder `/`, with all signals as they are by default, and gives its process id. The caller waits for it. */
  spawn(request: SpawnRequest): number;
  /** Waits for the end of a child, once: its exit status, or 128 and the number of a signal. */
  wait(pid: number): number;
  /** The same for one that may still run: undefined then. */
  poll(pid: number): number | undefined;
}

/** More than `posix_spawn_file_actions_t` and `posix_spawnattr_t` have anywhere. */
const STRUCT_BYTES = 512;
/** POSIX_SPAWN_SETSIGDEF and POSIX_SPAWN_SETSIGMASK. */
const RESET_SIGNALS = 0x04 | 0x08;
const POSIX_SPAWN_SETSID = 0x80;
const SIGNAL_SET_BYTES = 128;
const F_DUPFD_CLOEXEC = 1030;
const WNOHANG = 1;

let loaded: ProcessSyscalls | undefined;

/** The system calls; loads koffi on first use. */
export function processSyscalls(): ProcessSyscalls {
  loaded ??= load();
  return loaded;
}

function load(): ProcessSyscalls {
  const koffi = loadKoffi();
  const libc = koffi.load('libc.so.6');
  const structCall = (name: string) => libc.func(name, 'int', ['uint8_t*']);
  const posixSpawn = libc.func(
    'int posix_spawn(_Out_ int*, const char*, const uint8_t*, const uint8_t*, const char**, const char**)',
  );
  const initActions = structCall('posix_spawn_file_actions_init');
  const destroyActions = structCall('posix_spawn_file_actions_destroy');
  const addDescriptor = libc.func('int posix_spawn_file_actions_adddup2(uint8_t*, int, int)');
  const addFolder = libc.func('int posix_spawn_file_actions_addchdir_np(uint8_t*, const char*)');
  const initAttributes = structCall('posix_spawnattr_init');
  const setFlags = libc.func('int posix_spawnattr_setflags(uint8_t*, short)');
  const setDefaultSignals = libc.func('int posix_spawnattr_setsigdefault(uint8_t*, const uint8_t*)');
  const setMask = libc.func('int posix_spawnattr_setsigmask(uint8_t*, const uint8_t*)');
  const waitpid = libc.func('int waitpid(int, _Out_ int*, int)');
  const fcntl = libc.func('int fcntl(int, int, int)');
  const close = libc.func('int close(int)');

  const failure = (number: number, call: string, object: string) => {
    const code = errnoName(number);
    return Object.assign(new Error(`${code}: ${call} '${object}'`), { code, errno: -number, syscall: call });
  };
  /** Out of the way of the descriptors that the child's are put on before. */
  const outOfTheWay = (fd: number, at: number, count: number): number => {
    if (fd >= at) return fd;
    const copy = fcntl(fd, F_DUPFD_CLOEXEC, count);
    if (copy < 0) throw failure(koffi.errno(), 'fcntl', `${fd}`);
    return copy;
  };
  const attributes = (ownSession: boolean): Buffer => {
    const made = Buffer.alloc(STRUCT_BYTES);
    initAttributes(made);
    setFlags(made, RESET_SIGNALS | (ownSession ? POSIX_SPAWN_SETSID : 0));
    setDefaultSignals(made, Buffer.alloc(SIGNAL_SET_BYTES, 0xff));
    setMask(made, Buffer.alloc(SIGNAL_SET_BYTES));
    return made;
  };
  const [inSession, inOwnSession] = [attributes(false), attributes(true)];
  const waitWith = (pid: number, options: number): number | undefined => {
    const status = [0];
    const result = waitpid(pid, status, options);
    if (result < 0) throw failure(koffi.errno(), 'waitpid', `${pid}`);
    return result === 0 ? undefined : exitStatus(status[0] ?? 0);
  };

  return {
    spawn: ({ args, env, descriptors, ownSession }) => {
      const [program = ''] = args;
      const actions = Buffer.alloc(STRUCT_BYTES);
      initActions(actions);
      addFolder(actions, '/');
      const sources = descriptors.map((fd, at) => outOfTheWay(fd, at, descriptors.length));
      for (const [at, fd] of sources.entries()) addDescriptor(actions, fd, at);
      const pid = [0];
      const number = posixSpawn(
        pid,
        program,
        actions,
        ownSession ? inOwnSession : inSession,
        [...args, null],
        [...env, null],
      );
      destroyActions(actions);
      for (const [at, fd] of sources.entries()) if (fd !== descriptors[at]) close(fd);
      if (number !== 0) throw failure(number, 'posix_spawn', program);
      return pid[0] ?? 0;
    },
    wait: (pid) => waitWith(pid, 0) ?? 0,
    poll: (pid) => waitWith(pid, WNOHANG),
  };
}

/** WIFSIGNALED, WTERMSIG and WEXITSTATUS of waitpid(2). */
function exitStatus(status: number): number {
  const signal = status & 0x7f;
  return signal === 0 ? (status >> 8) & 0xff : 128 + signal;
}
