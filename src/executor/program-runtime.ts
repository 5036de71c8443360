import { readFileSync, writeFileSync } from 'node:fs';
import { errnoOf } from '../core/errors.ts';
import type { ProcessIO } from '../core/executor.ts';
import { runContainer } from './container-process.ts';
import type { ContainerBundle, ContainerRuntime } from './container-runtime.ts';
import { type OciRuntime, supportsSeccomp } from './oci-runtime.ts';
import { runtimeFailure } from './runtime-failure.ts';
import type { SeccompProfile } from './seccomp/default-profile.ts';
import type { SeccompFilter } from './seccomp/seccomp-filters.ts';
import { seccompProgram } from './seccomp/seccomp-program.ts';

/** Runs bundles by an OCI runtime's program (crun, runc). */
export class ProgramRuntime implements ContainerRuntime {
  readonly name: string;
  readonly dropsNodev: boolean;
  readonly #program: OciRuntime;
  readonly #stateDir: string;

  /** `stateDir` keeps the compiled seccomp filter. */
  constructor(program: OciRuntime, stateDir: string) {
    this.name = program.name;
    this.dropsNodev = program.dropsNodev;
    this.#program = program;
    this.#stateDir = stateDir;
  }

  /** Compiling the default profile takes crun 9 ms for every container; one that does not know the annotation compiles the profile. */
  seccompFilter(profile: SeccompProfile): SeccompFilter | undefined {
    const program = this.name === 'crun' ? seccompProgram(profile, this.#stateDir) : undefined;
    if (program !== undefined) {
      return { profile, annotations: { 'run.oci.seccomp_bpf_data': program.toString('base64') } };
    }
    return supportsSeccomp(this.#program) ? { profile, annotations: {} } : undefined;
  }

  prepare(): void {
    // A runtime's program starts in less time than it would take to keep one waiting.
  }

  async run({ id, folder, spec }: ContainerBundle, io: ProcessIO, signal: AbortSignal): Promise<void> {
    writeFileSync(`${folder}/config.json`, JSON.stringify(spec), { mode: 0o600 });
    const log = `${folder}/log`;
    const { status } = await runContainer(
      [
        ...[this.#program.path, '--root', `${folder}/state`, '--log', log, '--log-format', 'json'],
        ...[...this.#program.options, 'run', '--bundle', folder, id],
      ],
      io,
      signal,
    );
    if (status === 0) return;
    signal.throwIfAborted();
    throw runtimeFailure(spec.process.args, status, readLog(log));
  }

  [Symbol.dispose](): void {
    // Nothing of it outlives a run.
  }
}

function readLog(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return '';
    throw error;
  }
}
