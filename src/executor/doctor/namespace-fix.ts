import type { MachineFacts } from './machine-facts.ts';

/** What each sysctl must not be, and what it is to be instead. */
const SYSCTLS = [
  { name: 'user.max_user_namespaces', forbids: '0', wanted: '28633' },
  { name: 'kernel.unprivileged_userns_clone', forbids: '0', wanted: '1' },
  { name: 'kernel.apparmor_restrict_unprivileged_userns', forbids: '1', wanted: '0' },
];

/** What lets this user make the namespaces of containers: the sysctl that forbids them, else what the container around needs. */
export function namespaceFix({ euid, sysctls, surroundings, capabilities, isFiltered }: MachineFacts): string {
  const forbidding = euid === 0 ? [] : SYSCTLS.filter(({ name, forbids }) => sysctls[name] === forbids);
  if (forbidding.length > 0) return forbidding.map(({ name, wanted }) => `sudo sysctl -w ${name}=${wanted}`).join('; ');
  const isAdmin = capabilities.includes('CAP_SYS_ADMIN');
  switch (surroundings) {
    case 'kubernetes':
      return euid === 0
        ? 'securityContext: {capabilities: {add: [SYS_ADMIN]}, seccompProfile: {type: Unconfined}, appArmorProfile: {type: Unconfined}}'
        : 'securityContext: {allowPrivilegeEscalation: true, procMount: Unmasked, seccompProfile: {type: Unconfined}, appArmorProfile: {type: Unconfined}} and spec: {hostUsers: false}';
    case 'docker':
    case 'podman':
      return euid === 0
        ? `${surroundings} run --cap-add SYS_ADMIN --security-opt seccomp=unconfined --security-opt apparmor=unconfined`
        : `${surroundings} run --security-opt seccomp=unconfined --security-opt apparmor=unconfined --security-opt systempaths=unconfined`;
    case 'machine':
      if (euid === 0 && !isAdmin)
        return 'give the builder CAP_SYS_ADMIN (in a container: --cap-add SYS_ADMIN --security-opt seccomp=unconfined)';
      return isFiltered
        ? 'lift the seccomp filter around slipway (in a container: --security-opt seccomp=unconfined)'
        : 'lift what forbids unshare(2) here: a security module, or a container around slipway';
    default: {
      const unknown: never = surroundings;
      throw new Error(`internal: surroundings ${unknown}`);
    }
  }
}
