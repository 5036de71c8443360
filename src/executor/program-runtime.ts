import { closeSync, openSync, readFileSync, writeFileSync } from 'node:fs';
import { relative } from 'node:path';
import { errnoOf } from '../core/errors.ts';
import { type RuntimeCommand, runContainer, runContainerInTerminal } from './container-process.ts';
import type { ContainerBundle, ContainerIO, ContainerRuntime } from './container-runtime.ts';
import { type OciRuntime, supportsSeccomp } from './oci-runtime.ts';
import type { OciSpec } from './oci-spec.ts';
import { runtimeFailure } from './runtime-failure.ts';
import { sealProgram } from './sealed-program.ts';
import type { SeccompProfile } from './seccomp/default-profile.ts';
import type { SeccompFilter } from './seccomp/seccomp-filters.ts';
import { SECCOMP_PROGRAM_ANNOTATION, seccompProgram } from './seccomp/seccomp-program.ts';
import { SpareProcesses } from './spare-processes.ts';
import type { ContainerEnd } from './waiting-process.ts';
import { startRuntime } from './waiting-runtime.ts';

const SPARES = { first: 1, later: 16 };

/** Runs bundles by an OCI runtime's program (crun, runc). crun is started ahead: half of its time is its own start. */
export class ProgramRuntime implements ContainerRuntime {
  readonly name: string;
  readonly dropsNodev: boolean;
  readonly followsMounts: boolean;
  readonly #program: OciRuntime;
  readonly #stateDir: string;
  readonly #held = new DisposableStack();
  #waiting: SpareProcesses | undefined;

  /** `stateDir` keeps the compiled seccomp filter. */
  constructor(program: OciRuntime, stateDir: string) {
    this.name = program.name;
    this.dropsNodev = program.dropsNodev;
    this.followsMounts = program.takesConfigFile;
    this.#program = program;
    this.#stateDir = stateDir;
  }

  /** Compiling the default profile takes crun 9 ms for every container; one that does not know the annotation compiles the profile. */
  seccompFilter(profile: SeccompProfile): SeccompFilter | undefined {
    const program = this.name === 'crun' ? seccompProgram(profile, this.#stateDir) : undefined;
    if (program !== undefined) {
      return { profile, annotations: { [SECCOMP_PROGRAM_ANNOTATION]: program.toString('base64') } };
    }
    return supportsSeccomp(this.#program) ? { profile, annotations: {} } : undefined;
  }

  prepare(memory: string): void {
    if (!this.#program.takesConfigFile) return;
    this.#waiting ??= this.#waitingRuntimes(memory);
    this.#waiting.prepare();
  }

  async run(bundle: ContainerBundle, io: ContainerIO, signal: AbortSignal): Promise<void> {
    const canWait = io !== 'terminal' && bundle.cgroupFiles.length === 0;
    const { status, report } =
      canWait && this.#waiting !== undefined
        ? await this.#waiting.run(JSON.stringify(bundle.spec), io, signal)
        : await this.#runBundle(bundle, io, signal);
    if (status === 0) return;
    signal.throwIfAborted();
    throw runtimeFailure(bundle.spec.process.args, status, report);
  }

  #waitingRuntimes(memory: string): SpareProcesses {
    const options = { runtime: this.#program, program: this.#held.use(sealProgram(this.#program.path)), memory };
    return this.#held.use(new SpareProcesses({ start: () => startRuntime(options), limits: SPARES }));
  }

  async #runBundle(
    { id, folder, spec, cgroupFiles }: ContainerBundle,
    io: ContainerIO,
    signal: AbortSignal,
  ): Promise<ContainerEnd> {
    const config = this.name === 'runc' ? withShortListenerPath(spec, folder) : spec;
    writeFileSync(`${folder}/config.json`, JSON.stringify(config), { mode: 0o600 });
    const log = `${folder}/log`;
    const options = ['--root', `${folder}/state`, '--log', log, '--log-format', 'json', ...this.#program.options];
    const command = [this.#program.path, ...options, 'run', '--bundle', folder, id];
    using cgroup = openForWriting(cgroupFiles);
    const entered = inCgroup(command, cgroup.descriptors);
    const { status } =
      io === 'terminal' ? await runContainerInTerminal(entered, signal) : await runContainer(entered, io, signal);
    return { status, report: readLog(log) };
  }

  [Symbol.dispose](): void {
    this.#held[Symbol.dispose]();
  }
}

/** runc works in the bundle's folder, and takes no path of a socket above 107 bytes. crun takes no relative one. */
function withShortListenerPath(spec: OciSpec, folder: string): OciSpec {
  const { seccomp } = spec.linux;
  if (seccomp?.listenerPath === undefined) return spec;
  const listenerPath = relative(folder, seccomp.listenerPath);
  return { ...spec, linux: { ...spec.linux, seccomp: { ...seccomp, listenerPath } } };
}

/** The command behind a shell that enters the cgroup and becomes it: done by the first process, so that none is left outside. */
function inCgroup(command: readonly string[], descriptors: readonly number[]): RuntimeCommand {
  if (descriptors.length === 0) return { args: command, descriptors };
  const enter = descriptors.map((_, index) => `echo 0 >&${index + 3} || exit 125; exec ${index + 3}>&-; `).join('');
  return { args: ['/bin/sh', '-c', `${enter}exec "$@"`, 'sh', ...command], descriptors };
}

function openForWriting(paths: readonly string[]): { readonly descriptors: readonly number[] } & Disposable {
  const descriptors = paths.map((path) => openSync(path, 'w'));
  return { descriptors, [Symbol.dispose]: () => descriptors.forEach((fd) => void closeSync(fd)) };
}

function readLog(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return '';
    throw error;
  }
}
