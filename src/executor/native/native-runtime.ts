import { SlipwayError } from '../../core/errors.ts';
import type { ProcessIO } from '../../core/executor.ts';
import type { ContainerBundle, ContainerRuntime } from '../container-runtime.ts';
import type { SeccompProfile } from '../seccomp/default-profile.ts';
import type { SeccompFilter } from '../seccomp/seccomp-filters.ts';
import { seccompProgram } from '../seccomp/seccomp-program.ts';
import { startInit, type WaitingInit } from './init-process.ts';
import { initFailure } from './native-failure.ts';

/**
 * Runs containers by an init of slipway's own, which needs nothing but util-linux. One init is kept waiting: its start-up, which is
 * most of what a container costs, passes while the step before it runs.
 */
export class NativeRuntime implements ContainerRuntime {
  readonly name = 'native';
  readonly dropsNodev = false;
  readonly #stateDir: string;
  #spare: WaitingInit | undefined;
  #program: string | undefined;

  /** `stateDir` keeps the compiled seccomp filter. */
  constructor(stateDir: string) {
    this.#stateDir = stateDir;
  }

  seccompFilter(profile: SeccompProfile): SeccompFilter {
    this.#program ??= this.#compiled(profile);
    return { profile, annotations: {} };
  }

  prepare(): void {
    this.#spare ??= startInit();
  }

  async run({ spec, cgroupFiles }: ContainerBundle, io: ProcessIO, signal: AbortSignal): Promise<void> {
    const { seccomp, ...linux } = spec.linux;
    const seccompProgram = seccomp === undefined ? undefined : this.#program;
    const plan = { spec: { ...spec, linux }, seccompProgram, cgroupFiles };
    const running = (this.#spare ?? startInit()).run(plan, io, signal);
    // After the plan was sent: starting a process takes this one 3 ms.
    this.#spare = startInit();
    const exit = await running;
    if (exit.status === 0) return;
    signal.throwIfAborted();
    throw initFailure('native', spec.process.args, exit);
  }

  [Symbol.dispose](): void {
    this.#spare?.[Symbol.dispose]();
    this.#spare = undefined;
  }

  #compiled(profile: SeccompProfile): string {
    const program = seccompProgram(profile, this.#stateDir);
    if (program !== undefined) return program.toString('base64');
    throw new SlipwayError(
      'SLIPWAY_SECCOMP_MISSING',
      'native isolation needs libseccomp to filter the system calls of RUN steps, and libseccomp.so.2 was not found',
      { hint: 'install it: apt-get install -y libseccomp2 (Debian, Ubuntu), dnf install -y libseccomp (Fedora)' },
    );
  }
}
