import type { ProcessIO } from '../core/executor.ts';
import type { OciSpec } from './oci-spec.ts';
import type { SeccompProfile } from './seccomp/default-profile.ts';
import type { SeccompFilter } from './seccomp/seccomp-filters.ts';

/** A container that can be run: its root is mounted, and whatever its mounts show is ready. */
export interface ContainerBundle {
  readonly id: string;
  /** A folder in memory for this container alone. */
  readonly folder: string;
  readonly spec: OciSpec;
  /** Files that the container's first process writes `0` to before anything else, so that it is in the step's cgroup. */
  readonly cgroupFiles: readonly string[];
}

/** Who takes what a container writes: a listener, or the user's terminal, where the container then has one of its own. */
export type ContainerIO = ProcessIO | 'terminal';

/** What turns a bundle into a running container: an OCI runtime, or slipway's own init. */
export interface ContainerRuntime extends Disposable {
  /** `crun`, `runc`, `native`. */
  readonly name: string;
  /** Whether devices can be opened on the container's root although it was mounted without. */
  readonly dropsNodev: boolean;
  /** How this runtime is told to filter system calls; undefined where it cannot. */
  seccompFilter(profile: SeccompProfile): SeccompFilter | undefined;
  /** Whether what `prepare` starts has a mount namespace of its own, which then has to be told of mounts that are made later. */
  readonly followsMounts: boolean;
  /** Says that a container will be run soon, in the mount namespace that this thread is in now. `memory` is a folder in memory. */
  prepare(memory: string): void;
  /**
   * Runs the container until it and every process of it are gone; resolves when its command exited 0, else rejects as `Executor.run` does.
   * All of it dies with this process. An aborted `signal` sends SIGTERM to the command, then kills everything.
   */
  run(bundle: ContainerBundle, io: ContainerIO, signal: AbortSignal): Promise<void>;
}
