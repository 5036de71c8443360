import { existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { digestOfJson } from '../../core/digest.ts';
import type { SecurityMode } from '../../core/executor.ts';
import { DEFAULT_CAPABILITIES } from '../capabilities.ts';
import { type OciRuntime, supportsSeccomp } from '../oci-runtime.ts';
import { compileSeccompFilter, seccompLibraryVersion } from './compile-filter.ts';
import { defaultSeccompProfile, type SeccompProfile } from './default-profile.ts';

/** A profile, and what lets a runtime load it without compiling it. */
export interface SeccompFilter {
  readonly profile: SeccompProfile;
  readonly annotations: Readonly<Record<string, string>>;
}

/**
 * The seccomp filters for one runtime. Compiling the default profile takes crun 9 ms for every container; here it is compiled once
 * and kept in `folder`, named by the profile and the library that made it.
 */
export class SeccompFilters {
  readonly #runtime: OciRuntime;
  readonly #folder: string;
  #sandbox: { readonly filter: SeccompFilter | undefined } | undefined;

  constructor(runtime: OciRuntime, folder: string) {
    this.#runtime = runtime;
    this.#folder = folder;
  }

  /** Undefined where the process is to have none, or the kernel or the runtime can do without. */
  filter(security: SecurityMode): SeccompFilter | undefined {
    if (security === 'insecure') return undefined;
    this.#sandbox ??= { filter: this.#makeSandboxFilter() };
    return this.#sandbox.filter;
  }

  #makeSandboxFilter(): SeccompFilter | undefined {
    const profile = defaultSeccompProfile(DEFAULT_CAPABILITIES);
    if (profile === undefined || !existsSync('/proc/sys/kernel/seccomp')) return undefined;
    if (this.#runtime.name !== 'crun') return supportsSeccomp(this.#runtime) ? { profile, annotations: {} } : undefined;
    // A crun that does not know the annotation compiles the profile.
    const program = this.#compiled(profile);
    if (program === undefined) return supportsSeccomp(this.#runtime) ? { profile, annotations: {} } : undefined;
    return { profile, annotations: { 'run.oci.seccomp_bpf_data': program.toString('base64') } };
  }

  #compiled(profile: SeccompProfile): Buffer | undefined {
    const version = seccompLibraryVersion();
    if (version === undefined) return undefined;
    const name = digestOfJson({ version, profile }).replace('sha256:', 'seccomp-');
    const path = `${this.#folder}/${name}.bpf`;
    if (existsSync(path)) return readFileSync(path);
    const program = compileSeccompFilter(profile);
    if (program === undefined) return undefined;
    mkdirSync(this.#folder, { recursive: true });
    writeFileSync(`${path}.${process.pid}`, program, { flush: true });
    renameSync(`${path}.${process.pid}`, path);
    return program;
  }
}
