import { existsSync } from 'node:fs';
import type { SecurityMode } from '../../core/executor.ts';
import type { ProgressSink } from '../../core/progress.ts';
import { DEFAULT_CAPABILITIES } from '../capabilities.ts';
import { defaultSeccompProfile, type SeccompProfile } from './default-profile.ts';

/** A profile, and what lets a runtime load it without compiling it. */
export interface SeccompFilter {
  readonly profile: SeccompProfile;
  readonly annotations: Readonly<Record<string, string>>;
}

/** Either a filter or the reason why there is none. */
type SandboxFilter = { readonly filter: SeccompFilter } | { readonly missing: string };

/** The seccomp filters of steps, in the form that a runtime takes. */
export class SeccompFilters {
  readonly #toFilter: (profile: SeccompProfile) => SeccompFilter | undefined;
  #sandbox: SandboxFilter | undefined;
  #isSaid = false;

  constructor(toFilter: (profile: SeccompProfile) => SeccompFilter | undefined) {
    this.#toFilter = toFilter;
  }

  /** Undefined where the process is to have none, or the kernel or the runtime can do without. */
  filter(security: SecurityMode): SeccompFilter | undefined {
    if (security === 'insecure') return undefined;
    this.#sandbox ??= this.#makeSandboxFilter();
    return 'filter' in this.#sandbox ? this.#sandbox.filter : undefined;
  }

  /** Warns, once, that a step which should have a filter will have none. */
  warnIfMissing(security: SecurityMode, progress: ProgressSink): void {
    if (this.#isSaid || this.filter(security) !== undefined) return;
    if (this.#sandbox === undefined || 'filter' in this.#sandbox) return;
    this.#isSaid = true;
    const message = `RUN steps may make every system call: ${this.#sandbox.missing}`;
    progress.emit({ type: 'warning', at: Date.now(), code: 'SLIPWAY_SECCOMP_MISSING', message });
  }

  #makeSandboxFilter(): SandboxFilter {
    const profile = defaultSeccompProfile(DEFAULT_CAPABILITIES);
    if (profile === undefined) return { missing: `there is no seccomp profile for ${process.arch}` };
    if (!existsSync('/proc/sys/kernel/seccomp')) return { missing: 'the kernel has no seccomp' };
    const filter = this.#toFilter(profile);
    return filter === undefined ? { missing: 'the OCI runtime was built without seccomp' } : { filter };
  }
}
