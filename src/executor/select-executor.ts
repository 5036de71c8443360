import { SlipwayError } from '../core/errors.ts';
import type { Executor } from '../core/executor.ts';
import { OciExecutor, type OciExecutorOptions } from './oci-executor.ts';
import { findOciRuntime } from './oci-runtime.ts';

export interface ExecutorChoice extends Omit<OciExecutorOptions, 'runtime'> {
  readonly isolation: 'auto' | 'oci' | 'native' | 'chroot';
  /** Name or path of an OCI runtime; undefined is crun, else runc. */
  readonly ociRuntime?: string;
  /** Where PATH is taken from. */
  readonly env: Readonly<Record<string, string | undefined>>;
}

/**
 * The executor that the user asked for, or the best that this machine has. Touches nothing but PATH: namespaces are entered
 * with the first run. `SLIPWAY_RUNTIME_MISSING`, `SLIPWAY_ISOLATION_UNSUPPORTED`.
 */
export function selectExecutor(choice: ExecutorChoice): Executor {
  switch (choice.isolation) {
    case 'auto':
    case 'oci':
      return new OciExecutor({ ...choice, runtime: findOciRuntime(choice.ociRuntime, choice.env) });
    case 'native':
    case 'chroot':
      throw new SlipwayError('SLIPWAY_ISOLATION_UNSUPPORTED', `--isolation ${choice.isolation} is not supported yet`, {
        hint: 'use --isolation oci with crun or runc',
      });
    default: {
      const unknown: never = choice.isolation;
      throw new Error(`internal: isolation ${unknown}`);
    }
  }
}
