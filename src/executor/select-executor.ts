import { release } from 'node:os';
import type { Executor } from '../core/executor.ts';
import { ChrootExecutor } from './chroot/chroot-executor.ts';
import { CommandPathExecutor } from './command-path-executor.ts';
import { NativeRuntime } from './native/native-runtime.ts';
import { OciExecutor, type OciExecutorOptions } from './oci-executor.ts';
import { findOciRuntime, findProgram, hasOciRuntime, type OciRuntime, requireProgram } from './oci-runtime.ts';
import { ProgramRuntime } from './program-runtime.ts';

export interface ExecutorChoice extends Omit<OciExecutorOptions, 'runtime'> {
  readonly isolation: 'auto' | 'oci' | 'native' | 'chroot';
  /** Name or path of an OCI runtime; undefined is crun, else runc. */
  readonly ociRuntime?: string;
  /** Where OCI runtimes are looked for besides PATH: the system's folders unless given. */
  readonly systemFolders?: readonly string[];
}

/**
 * The executor that the user asked for, or the best that this machine has: crun, runc, native; never chroot, which gives a step less. Touches nothing
 * but PATH: namespaces are entered with the first run. Whoever asked disposes it. `SLIPWAY_RUNTIME_MISSING`, `SLIPWAY_PROGRAM_MISSING`.
 */
export function selectExecutor(choice: ExecutorChoice): Executor & Disposable {
  const { isolation, ociRuntime } = choice;
  switch (isolation) {
    case 'auto':
      // Whoever names a runtime means that one.
      return ociRuntime === undefined && !hasOciRuntime(choice) ? nativeExecutor(choice) : ociExecutor(choice);
    case 'oci':
      return ociExecutor(choice);
    case 'native':
      return nativeExecutor(choice);
    case 'chroot':
      return new ChrootExecutor(choice);
    default: {
      const unknown: never = isolation;
      throw new Error(`internal: isolation ${unknown}`);
    }
  }
}

function ociExecutor(choice: ExecutorChoice): Executor & Disposable {
  const runtime = findOciRuntime(choice.ociRuntime, choice);
  const usual = programExecutor(runtime, choice);
  if (runtime.keepsCommandPath) return usual;
  // A folder of its own: each executor mounts on its.
  const apart = { ...choice, stateDir: `${choice.stateDir}/command-path` };
  const runc = findProgram('runc', choice.env, choice.systemFolders);
  if (runc !== undefined)
    return new CommandPathExecutor(usual, () => programExecutor(findOciRuntime(runc, choice), apart));
  return isNativePossible() ? new CommandPathExecutor(usual, () => nativeExecutor(apart)) : usual;
}

function programExecutor(runtime: OciRuntime, choice: ExecutorChoice): OciExecutor {
  return new OciExecutor({ ...choice, runtime: new ProgramRuntime(runtime, choice.stateDir) });
}

function nativeExecutor(choice: ExecutorChoice): OciExecutor {
  for (const name of ['unshare', 'setpriv']) requireProgram(name);
  return new OciExecutor({ ...choice, runtime: new NativeRuntime(choice.stateDir) });
}

/** mount_setattr(2) is there since Linux 5.12. */
function isNativePossible(): boolean {
  const [major = 0, minor = 0] = release().split('.').map(Number);
  return major > 5 || (major === 5 && minor >= 12);
}
