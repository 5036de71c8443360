import { machineChecks } from './checks.ts';
import type { Check, Diagnosis, Rung } from './diagnosis.ts';
import type { MachineFacts } from './machine-facts.ts';

/** A rung, and the names of the checks that it needs. */
interface Need {
  readonly rung: Rung;
  readonly checks: readonly string[];
}

const NAMESPACES = ['node', 'namespaces', 'util-linux', 'store', 'store-filesystem'];
const ROOTLESS = [...NAMESPACES, 'id-maps', 'subordinate-ids', 'rootless-overlay'];

/** Best rung first. */
const NEEDS_OF_ROOT: readonly Need[] = [
  { rung: 'oci root', checks: [...NAMESPACES, 'oci-runtime'] },
  { rung: 'native root', checks: [...NAMESPACES, 'libseccomp'] },
  { rung: 'chroot', checks: ['node', 'store', 'chroot-capabilities'] },
];
const NEEDS_OF_OTHERS: readonly Need[] = [
  { rung: 'oci rootless', checks: [...ROOTLESS, 'oci-runtime'] },
  { rung: 'native rootless', checks: [...ROOTLESS, 'libseccomp'] },
];

const NATIVE_LOSS = 'time: a step takes about 30 ms more to start than with crun';
const ROOTLESS_LOSS = 'limits (--resource), unless a cgroup is delegated to the user';
const LOST: Readonly<Record<Rung, readonly string[]>> = {
  'oci root': [],
  'oci rootless': [ROOTLESS_LOSS],
  'native root': [NATIVE_LOSS],
  'native rootless': [NATIVE_LOSS, ROOTLESS_LOSS],
  chroot: [
    'isolation: steps see and can end the processes of this container, and use its network',
    '/proc of a step: only cpuinfo, meminfo and the like; nothing of /proc/self',
    'read-only mounts: they can be written, and what is written is thrown away',
    '--network=none, --security=insecure, --device, --resource, --cgroup-parent, --shm-size and sizes of tmpfs mounts: refused',
    'a hostname of its own, and chroot(2) in steps',
    'time: every root is copied, and compared after each step',
    'it is never chosen by itself: build with --isolation chroot',
  ],
  none: ['RUN steps: only Dockerfiles without RUN can be built'],
};

/** Which rung the machine gives, what is lost on it, and what gains the next. */
export function diagnose(facts: MachineFacts): Diagnosis {
  const checks = machineChecks(facts);
  const needs = facts.euid === 0 ? NEEDS_OF_ROOT : NEEDS_OF_OTHERS;
  const candidates = needs.map((need) => ({
    rung: need.rung,
    lacks: checks.filter(({ name, state }) => need.checks.includes(name) && state !== 'ok'),
  }));
  const found = candidates.findIndex(({ lacks }) => lacks.length === 0);
  const rung = candidates[found]?.rung ?? 'none';
  const better = found < 0 ? candidates : candidates.slice(0, found);
  return { version: 1, rung, lost: LOST[rung], next: nextRung(better), checks };
}

interface Candidate {
  readonly rung: Rung;
  readonly lacks: readonly Check[];
}

/** The rung to which the least is missing; of several the better. */
function nextRung(better: readonly Candidate[]): Diagnosis['next'] {
  const [nearest] = better.toSorted((a, b) => a.lacks.length - b.lacks.length);
  if (nearest === undefined) return null;
  return { rung: nearest.rung, fixes: nearest.lacks.map(({ name, fix, found }) => fix ?? `${name}: ${found}`) };
}
