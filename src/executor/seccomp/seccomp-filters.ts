import { existsSync } from 'node:fs';
import type { SecurityMode } from '../../core/executor.ts';
import type { ProgressSink } from '../../core/progress.ts';
import { DEFAULT_CAPABILITIES } from '../capabilities.ts';
import { type EmulatedNodes, notifyingProfile } from '../emulated-nodes/notifying-profile.ts';
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
  readonly #sandbox = new Map<EmulatedNodes | 'none', SandboxFilter>();
  #isSaid = false;

  constructor(toFilter: (profile: SeccompProfile) => SeccompFilter | undefined) {
    this.#toFilter = toFilter;
  }

  /**
   * Undefined where the process is to have none, or the kernel or the runtime can do without. `nodes`: calls for which it asks who listens to it,
   * and without which nobody listens.
   */
  filter(security: SecurityMode, nodes: EmulatedNodes | 'none' = 'none'): SeccompFilter | undefined {
    if (security === 'insecure') return undefined;
    const found = this.#sandboxFilter(nodes);
    return 'filter' in found ? found.filter : undefined;
  }

  /** Warns, once, that a step which should have a filter will have none. */
  warnIfMissing(security: SecurityMode, progress: ProgressSink): void {
    if (this.#isSaid || security === 'insecure') return;
    const found = this.#sandboxFilter('none');
    if ('filter' in found) return;
    this.#isSaid = true;
    const message = `RUN steps may make every system call: ${found.missing}`;
    progress.emit({ type: 'warning', at: Date.now(), code: 'SLIPWAY_SECCOMP_MISSING', message });
  }

  #sandboxFilter(nodes: EmulatedNodes | 'none'): SandboxFilter {
    const found = this.#sandbox.get(nodes) ?? this.#makeSandboxFilter(nodes);
    this.#sandbox.set(nodes, found);
    return found;
  }

  #makeSandboxFilter(nodes: EmulatedNodes | 'none'): SandboxFilter {
    const profile = defaultSeccompProfile(DEFAULT_CAPABILITIES);
    if (profile === undefined) return { missing: `there is no seccomp profile for ${process.arch}` };
    if (!existsSync('/proc/sys/kernel/seccomp')) return { missing: 'the kernel has no seccomp' };
    const filter = this.#toFilter(nodes === 'none' ? profile : notifyingProfile(profile, nodes));
    return filter === undefined ? { missing: 'the OCI runtime was built without seccomp' } : { filter };
  }
}
