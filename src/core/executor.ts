import type { BytePath } from './byte-path.ts';
import type { SlipwayError } from './errors.ts';
import type { ProgressSink } from './progress.ts';

/** A stack of layer folders, lowest first, that overlayfs puts together; scratch is an empty list. */
export interface RootStack {
  readonly lowerDirs: readonly string[];
}

/** What a container's root is made of: a stack, and the folders that take what the process writes. */
export interface WritableRoot extends RootStack {
  /** Folder that receives the changes in overlayfs's form. Same filesystem as `workDir`. */
  readonly upperDir: string;
  /** Empty folder for overlayfs's own use. */
  readonly workDir: string;
}

/** A mount below the container's root, in the order in which they are made. */
export type ContainerMount =
  /** Part of a stack: `path` inside it, resolved within the stack. `discard`: writable, and what is written is thrown away. */
  | {
      readonly type: 'stack';
      readonly target: string;
      readonly stack: RootStack;
      readonly path: BytePath;
      readonly access: 'ro' | 'discard';
    }
  /** A folder or file of the host that belongs to the store or to the user's context; `path` inside `source`, resolved within it. */
  | {
      readonly type: 'host';
      readonly target: string;
      readonly source: string;
      readonly path: BytePath;
      readonly access: 'ro' | 'rw' | 'discard';
    }
  | { readonly type: 'tmpfs'; readonly target: string; readonly sizeBytes?: number }
  /** A file with these bytes, on memory only. */
  | {
      readonly type: 'secret';
      readonly target: string;
      readonly data: Uint8Array;
      readonly uid: number;
      readonly gid: number;
      readonly mode: number;
    }
  /** A unix socket of the host. */
  | {
      readonly type: 'socket';
      readonly target: string;
      readonly source: string;
      readonly uid: number;
      readonly gid: number;
      readonly mode: number;
    };

export type NetworkMode = 'sandbox' | 'none' | 'host';
export type SecurityMode = 'sandbox' | 'insecure';

/** Name servers (IP addresses) and search domains; an empty list changes nothing. */
export interface DnsSettings {
  readonly servers: readonly string[];
  readonly search: readonly string[];
}

export interface Ulimit {
  readonly name: string;
  readonly soft: number;
  readonly hard: number;
}

export interface ResourceLimits {
  readonly memory?: number;
  readonly memorySwap?: number;
  readonly cpuShares?: number;
  readonly cpuPeriod?: number;
  readonly cpuQuota?: number;
  readonly cpusetCpus?: string;
  readonly cpusetMems?: string;
}

/** One process to run in a container of its own. */
export interface ProcessSpec {
  /** Unique, `[a-z0-9]+`; names the container. */
  readonly id: string;
  readonly args: readonly string[];
  readonly env: readonly string[];
  /** Absolute; made if it does not exist. */
  readonly cwd: string;
  /** As in USER: name or id, with an optional group; looked up in the root's own files. Empty is root. */
  readonly user: string;
  readonly hostname: string;
  readonly network: NetworkMode;
  readonly security: SecurityMode;
  /** Lines `IP NAME` for /etc/hosts; `host-gateway` as an IP is the machine's own. */
  readonly extraHosts: readonly { readonly host: string; readonly ip: string }[];
  /** For /etc/resolv.conf, instead of the machine's own. */
  readonly dns?: DnsSettings;
  readonly ulimits: readonly Ulimit[];
  readonly shmSizeBytes?: number;
  readonly resources?: ResourceLimits;
  readonly cgroupParent?: string;
  /** CDI device names, allowed by the user. */
  readonly devices: readonly string[];
}

/**
 * Shows why, then lets `use` have the terminal of standard input and standard error for itself until it resolves. Whoever lends it may not
 * want to: `use` is then not called.
 */
export type LendTerminal = (why: SlipwayError, use: () => Promise<void>) => Promise<void>;

/** Takes a process's output as it comes. */
export interface ProcessIO {
  stdout(data: Uint8Array): void;
  stderr(data: Uint8Array): void;
}

/**
 * Runs processes in containers. `run` resolves when the process exited 0 and rejects otherwise: `SlipwayError` with code
 * `SLIPWAY_RUN_FAILED` and `exitCode` for another status or a signal (128 + number), other codes where the container could not
 * be started. It settles only after the container, its processes and its mounts are gone, and leaves nothing in the
 * root that the process did not write itself. An aborted signal ends the container.
 */
export interface Executor {
  /** Which executor this is, for progress and `doctor`: `crun`, `runc`, `native`, `chroot`. */
  readonly name: string;
  run(
    process: ProcessSpec,
    root: WritableRoot,
    mounts: readonly ContainerMount[],
    io: ProcessIO,
    context: ExecutorContext,
  ): Promise<void>;
  /**
   * The same for a process that a user talks to: it has a terminal of its own, which is connected to that of standard input and standard
   * error until it ends. Both must be terminals, and nobody else may use them meanwhile. Missing where the executor cannot.
   */
  runInTerminal?(
    process: ProcessSpec,
    root: WritableRoot,
    mounts: readonly ContainerMount[],
    context: ExecutorContext,
  ): Promise<void>;
}

export interface ExecutorContext {
  readonly signal: AbortSignal;
  readonly progress: ProgressSink;
}
