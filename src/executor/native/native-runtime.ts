import { SlipwayError } from '../../core/errors.ts';
import type { ContainerBundle, ContainerIO, ContainerRuntime } from '../container-runtime.ts';
import type { SeccompProfile } from '../seccomp/default-profile.ts';
import type { SeccompFilter } from '../seccomp/seccomp-filters.ts';
import { SECCOMP_PROGRAM_ANNOTATION, seccompProgram } from '../seccomp/seccomp-program.ts';
import { SpareProcesses } from '../spare-processes.ts';
import { planText } from './init-plan.ts';
import { runInitInTerminal, startInit } from './init-process.ts';
import { initFailure } from './native-failure.ts';

/** Each is a Node of its own. */
const SPARES = { first: 2, later: 4 };

/**
 * Runs containers by an init of slipway's own, which needs nothing but util-linux. A few inits are kept
 * waiting: their start-up, which is most of what a container costs, passes while earlier steps run.
 */
export class NativeRuntime implements ContainerRuntime {
  readonly name = 'native';
  readonly dropsNodev = false;
  readonly followsMounts = false;
  readonly #stateDir: string;
  readonly #spares = new SpareProcesses({ start: startInit, limits: SPARES });

  /** `stateDir` keeps the compiled seccomp filter. */
  constructor(stateDir: string) {
    this.#stateDir = stateDir;
  }

  seccompFilter(profile: SeccompProfile): SeccompFilter {
    return { profile, annotations: { [SECCOMP_PROGRAM_ANNOTATION]: this.#compiled(profile) } };
  }

  prepare(): void {
    this.#spares.prepare();
  }

  async run({ spec, cgroupFiles }: ContainerBundle, io: ContainerIO, signal: AbortSignal): Promise<void> {
    const { seccomp, ...linux } = spec.linux;
    const { [SECCOMP_PROGRAM_ANNOTATION]: program, ...annotations } = spec.annotations;
    const filter = program === undefined ? undefined : { program, listenerPath: seccomp?.listenerPath };
    const plan = { spec: { ...spec, annotations, linux }, seccomp: filter, cgroupFiles };
    const exit = await (io === 'terminal'
      ? runInitInTerminal(plan, signal)
      : this.#spares.run(planText(plan), io, signal));
    if (exit.status === 0) return;
    signal.throwIfAborted();
    throw initFailure('native', spec.process.args, exit);
  }

  [Symbol.dispose](): void {
    this.#spares[Symbol.dispose]();
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
