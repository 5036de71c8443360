import { SlipwayError } from '../core/errors.ts';
import type { Executor } from '../core/executor.ts';
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
 * The executor that the user asked for, or the best that this machine has: crun, runc, native. Touches nothing but PATH: namespaces are
 * entered with the first run. Whoever asked disposes it. `SLIPWAY_RUNTIME_MISSING`, `SLIPWAY_PROGRAM_MISSING`, `SLIPWAY_ISOLATION_UNSUPPORTED`.
 */
export function selectExecutor(choice: ExecutorChoice): Executor & Disposable {
  return new OciExecutor({ ...choice, runtime: selectRuntime(choice) });
}

function selectRuntime({ isolation, ociRuntime, env, stateDir }: ExecutorChoice): ContainerRuntime {
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
    case 'chroot':
      throw new SlipwayError('SLIPWAY_ISOLATION_UNSUPPORTED', `--isolation ${isolation} is not supported yet`, {
        hint: 'use --isolation oci with crun or runc, or --isolation native',
      });
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
