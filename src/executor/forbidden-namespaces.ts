import { readFileSync } from 'node:fs';
import { SlipwayError } from '../core/errors.ts';
import { inUserNamespace } from '../core/user-namespace.ts';

const CHROOT_HINT =
  'build with --isolation chroot, where steps share the processes and the network of slipway and have no /proc of their own (slipway doctor tells what else)';

/** Why this process may not mount (EPERM from unshare(2) or mount(2)), and what to do about it. */
export function explainForbiddenMounts(cause: unknown): SlipwayError {
  const base = 'containers cannot be run: the kernel does not let slipway mount filesystems';
  if (inUserNamespace() && sysctl('kernel/apparmor_restrict_unprivileged_userns') === '1') {
    return new SlipwayError(
      'SLIPWAY_NAMESPACES_FORBIDDEN',
      `${base}: AppArmor takes the capabilities of user namespaces away (kernel.apparmor_restrict_unprivileged_userns is 1)`,
      { cause, hint: 'run: sudo sysctl -w kernel.apparmor_restrict_unprivileged_userns=0' },
    );
  }
  return new SlipwayError(
    'SLIPWAY_NAMESPACES_FORBIDDEN',
    `${base}: it is root without CAP_SYS_ADMIN, or a seccomp or AppArmor profile forbids mount(2)`,
    {
      cause,
      hint: `in a container: start it with --cap-add SYS_ADMIN --security-opt seccomp=unconfined --security-opt apparmor=unconfined; ${CHROOT_HINT}`,
    },
  );
}

/** Why nothing can be mounted although it may: this process is in a chroot, whose root is only a folder (EINVAL of mount(2) for "/"). */
export function explainChangedRoot(cause: unknown): SlipwayError {
  return new SlipwayError(
    'SLIPWAY_NAMESPACES_FORBIDDEN',
    'containers cannot be run: slipway is in a chroot whose root is no mount of its own',
    { cause, hint: `before entering it: mount --bind FOLDER FOLDER; or ${CHROOT_HINT}` },
  );
}

/** Why this user may not make a user namespace (EPERM, ENOSPC or EUSERS of unshare(2)), and what to do about it. */
export function explainForbiddenUserNamespaces(found: string): SlipwayError {
  for (const { name, forbids, hint } of USER_NAMESPACE_SYSCTLS) {
    const value = sysctl(name.replaceAll('.', '/'));
    if (value !== undefined && forbids(value)) {
      return new SlipwayError(
        'SLIPWAY_NAMESPACES_FORBIDDEN',
        `user namespaces are forbidden on this machine: the sysctl ${name} is ${value}`,
        { hint: `run: ${hint}` },
      );
    }
  }
  return new SlipwayError('SLIPWAY_NAMESPACES_FORBIDDEN', `this user cannot make a user namespace: ${found.trim()}`, {
    hint: `a container or a seccomp profile around slipway may forbid it (--security-opt seccomp=unconfined lifts that of docker); as its root, ${CHROOT_HINT}`,
  });
}

const USER_NAMESPACE_SYSCTLS = [
  {
    name: 'kernel.unprivileged_userns_clone',
    forbids: (value: string) => value === '0',
    hint: 'sudo sysctl -w kernel.unprivileged_userns_clone=1',
  },
  {
    name: 'user.max_user_namespaces',
    forbids: (value: string) => value === '0',
    hint: 'sudo sysctl -w user.max_user_namespaces=28633',
  },
  {
    name: 'kernel.apparmor_restrict_unprivileged_userns',
    forbids: (value: string) => value === '1',
    hint: 'sudo sysctl -w kernel.apparmor_restrict_unprivileged_userns=0',
  },
] as const;

function sysctl(path: string): string | undefined {
  try {
    return readFileSync(`/proc/sys/${path}`, 'utf8').trim();
  } catch {
    // Sysctls come and go with kernels and distributions: one that cannot be read forbids nothing.
    return undefined;
  }
}
