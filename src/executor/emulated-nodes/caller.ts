import { closeSync, constants, openSync, readFileSync, writeSync } from 'node:fs';
import { AT_FDCWD, type CallPath } from './notified-calls.ts';
import type { SupervisorSyscalls } from './supervisor-syscalls.ts';

/** With the null byte at its end. */
const PATH_MAX = 4096;
/** Above are the kernel's addresses, on every architecture. */
const ADDRESS_LIMIT = 2n ** 62n;
const SLASH = 0x2f;
const O_PATH = 0o10000000;

/** As whom a thread makes files. */
export interface Credentials {
  readonly uid: number;
  readonly gid: number;
  readonly umask: number;
  /** Bit n for capability n. */
  readonly capabilities: bigint;
}

/** Where a path of a call begins. */
export interface CallerView {
  /** The path, with the null byte at its end. */
  readonly path: Buffer;
  /** What a relative path begins at, as a descriptor of this process; of an absolute one nothing. */
  readonly folder: number;
}

/**
 * A thread that waits for its call's answer. What is read of it counts only if it still waits afterwards: else its number may be another's by
 * then. Everything throws the errors of node:fs where the thread is gone, or may not be looked at.
 */
export class Caller {
  readonly #calls: SupervisorSyscalls;
  readonly #pid: number;
  readonly #isWaiting: () => boolean;
  readonly #ownRoot: number;

  constructor(
    calls: SupervisorSyscalls,
    { pid, isWaiting, ownRoot }: { readonly pid: number; readonly isWaiting: () => boolean; readonly ownRoot: number },
  ) {
    this.#calls = calls;
    this.#pid = pid;
    this.#isWaiting = isWaiting;
    this.#ownRoot = ownRoot;
  }

  credentials(): Credentials {
    const status = readFileSync(`/proc/${this.#pid}/status`, 'latin1');
    const field = (pattern: RegExp) => pattern.exec(status)?.[1] ?? '';
    return {
      uid: Number(field(/^Uid:.*\t(\d+)$/m)),
      gid: Number(field(/^Gid:.*\t(\d+)$/m)),
      umask: Number.parseInt(field(/^Umask:\t([0-7]+)$/m), 8),
      capabilities: BigInt(`0x${field(/^CapEff:\t([0-9a-f]+)$/m)}`),
    };
  }

  /**
   * Does `work` in the caller's own root: paths lead there where they would lead the caller, whatever others rename meanwhile. Undefined where the
   * call's path is none, or the caller does not wait any more. `work` must make no calls but those of `SupervisorSyscalls`.
   */
  inItsRoot<T>({ address, folder }: CallPath, work: (view: CallerView) => T): T | undefined {
    const path = this.#readPath(address);
    if (path === undefined) return undefined;
    const start = path[0] === SLASH ? AT_FDCWD : this.#openFolder(folder);
    try {
      if (this.#calls.chroot(`/proc/${this.#pid}/root`) < 0) return undefined;
      try {
        return this.#isWaiting() ? work({ path, folder: start }) : undefined;
      } finally {
        this.#leaveRoot();
      }
    } finally {
      if (start !== AT_FDCWD) closeSync(start);
    }
  }

  /** Writes into the caller's memory. */
  write(address: bigint, bytes: Uint8Array): void {
    const memory = openSync(`/proc/${this.#pid}/mem`, constants.O_RDWR);
    try {
      if (address <= ADDRESS_LIMIT && this.#isWaiting()) writeSync(memory, bytes, 0, bytes.length, Number(address));
    } finally {
      closeSync(memory);
    }
  }

  #openFolder(folder: number): number {
    return openSync(`/proc/${this.#pid}/${folder === AT_FDCWD ? 'cwd' : `fd/${folder}`}`, O_PATH);
  }

  /** Undefined for a path that is empty, too long, or not in the caller's memory. */
  #readPath(address: bigint): Buffer | undefined {
    if (address > ADDRESS_LIMIT) return undefined;
    const bytes = Buffer.alloc(PATH_MAX);
    const length = this.#calls.readMemory(this.#pid, address, bytes);
    const end = bytes.subarray(0, Math.max(length, 0)).indexOf(0);
    return end > 0 ? bytes.subarray(0, end + 1) : undefined;
  }

  #leaveRoot(): void {
    const result = Math.min(this.#calls.chdirTo(this.#ownRoot), this.#calls.chroot('.'));
    if (result < 0) throw new Error(`internal: the supervisor's thread is lost in a step's root: errno ${-result}`);
  }
}
