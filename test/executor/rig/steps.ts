import type { NetworkMode, SecurityMode, Ulimit } from '../../../src/core/executor.ts';

/** A file of a root, made before a step runs. `text` of a fifo is ignored; `sizeBytes` makes a sparse file. */
export interface RootFile {
  readonly path: string;
  readonly type: 'file' | 'dir' | 'symlink' | 'fifo';
  readonly text?: string;
  readonly mode?: number;
  readonly sizeBytes?: number;
}

/** Mounts as in core/executor.ts, in a form that JSON carries. */
export type MountRequest =
  | {
      readonly type: 'stack';
      readonly target: string;
      readonly files: readonly RootFile[];
      readonly path: string;
      readonly access: 'ro' | 'discard';
    }
  | {
      readonly type: 'host';
      readonly target: string;
      readonly source: string;
      readonly path: string;
      readonly access: 'ro' | 'rw' | 'discard';
    }
  | { readonly type: 'tmpfs'; readonly target: string; readonly sizeBytes?: number }
  | {
      readonly type: 'secret';
      readonly target: string;
      readonly text: string;
      readonly uid: number;
      readonly mode: number;
    }
  | {
      readonly type: 'socket';
      readonly target: string;
      readonly source: string;
      readonly uid: number;
      readonly mode: number;
    };

export interface StepRequest {
  readonly args: readonly string[];
  readonly env?: readonly string[];
  readonly cwd?: string;
  readonly user?: string;
  readonly network?: NetworkMode;
  readonly security?: SecurityMode;
  readonly ulimits?: readonly Ulimit[];
  readonly shmSizeBytes?: number;
  readonly extraHosts?: readonly { readonly host: string; readonly ip: string }[];
  readonly mounts?: readonly MountRequest[];
  /** Files on top of the busybox root; `scratch` is an empty root. */
  readonly root?: readonly RootFile[] | 'scratch';
  /** Empty layers between the busybox root and the files. */
  readonly emptyLayers?: number;
  readonly abortAfterMs?: number;
  /** The step is aborted when it has written this to standard output. */
  readonly abortAfterOutput?: string;
}

export interface RunnerSetting {
  /** A folder that the runner may write to; the roots and layers lie in it. */
  readonly folder: string;
  readonly runtime: string;
  readonly busybox: string;
}

export interface StepResult {
  readonly stdout: string;
  readonly stderr: string;
  readonly error?: { readonly code: string; readonly message: string; readonly exitCode?: number };
  /** What the step left in its layer: `d 755 0:0 /etc`. */
  readonly layer: readonly string[];
  readonly milliseconds: number;
}
