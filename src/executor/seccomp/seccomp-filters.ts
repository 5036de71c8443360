import { existsSync } from 'node:fs';
import type { SecurityMode } from '../../core/executor.ts';
import { DEFAULT_CAPABILITIES } from '../capabilities.ts';
import { defaultSeccompProfile, type SeccompProfile } from './default-profile.ts';

/** A profile, and what lets a runtime load it without compiling it. */
export interface SeccompFilter {
  readonly profile: SeccompProfile;
  readonly annotations: Readonly<Record<string, string>>;
}

/** The seccomp filters of steps, in the form that a runtime takes. */
export class SeccompFilters {
  readonly #toFilter: (profile: SeccompProfile) => SeccompFilter | undefined;
  #sandbox: { readonly filter: SeccompFilter | undefined } | undefined;

  constructor(toFilter: (profile: SeccompProfile) => SeccompFilter | undefined) {
    this.#toFilter = toFilter;
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
    return this.#toFilter(profile);
  }
}
