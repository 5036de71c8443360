import type { Executor } from '../core/executor.ts';
import { ChrootExecutor } from './chroot/chroot-executor.ts';
import type { ContainerRuntime } from './container-runtime.ts';
import { NativeRuntime } from './native/native-runtime.ts';
import { OciExecutor, type OciExecutorOptions } from './oci-executor.ts';
import { findOciRuntime, hasOciRuntime, requireProgram } from './oci-runtime.ts';
import { ProgramRuntime } from './program-runtime.ts';

export interface ExecutorChoice extends Omit<OciExecutorOptions, 'runtime'> {
  readonly isolation: 'auto' | 'oci' | 'native' | 'chroot';
  /** Name or path of an OCI runtime; undefined is crun, else runc. */
  readonly ociRuntime?: string;
  /** Where PATH is taken from. */
  readonly env: Readonly<Record<string, string | undefined>>;
}

/**
 * The executor that the user asked for, or the best that this machine has: crun, runc, native; never chroot, which gives a step less. Touches nothing
 * but PATH: namespaces are entered with the first run. Whoever asked disposes it. `SLIPWAY_RUNTIME_MISSING`, `SLIPWAY_PROGRAM_MISSING`.
 */
export function selectExecutor(choice: ExecutorChoice): Executor & Disposable {
  const { isolation } = choice;
  return isolation === 'chroot'
    ? new ChrootExecutor(choice)
    : new OciExecutor({ ...choice, runtime: selectRuntime(isolation, choice) });
}

function selectRuntime(
  isolation: Exclude<ExecutorChoice['isolation'], 'chroot'>,
  { ociRuntime, env, stateDir }: ExecutorChoice,
): ContainerRuntime {
  switch (isolation) {
    case 'auto':
      // Whoever names a runtime means that one.
      return ociRuntime === undefined && !hasOciRuntime(env)
        ? nativeRuntime(stateDir)
        : new ProgramRuntime(findOciRuntime(ociRuntime, env), stateDir);
    case 'oci':
      return new ProgramRuntime(findOciRuntime(ociRuntime, env), stateDir);
    case 'native':
      return nativeRuntime(stateDir);
    default: {
      const unknown: never = isolation;
      throw new Error(`internal: isolation ${unknown}`);
    }
  }
}

function nativeRuntime(stateDir: string): ContainerRuntime {
  for (const name of ['unshare', 'setpriv']) requireProgram(name);
  return new NativeRuntime(stateDir);
}
