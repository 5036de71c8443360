import { SlipwayError } from '../../core/errors.ts';
import type { ContainerMount, ProcessSpec } from '../../core/executor.ts';

/** The hostname that steps have unless a build asks for another. */
const DEFAULT_HOSTNAME = 'buildkitsandbox';

/** What `asked` cannot be had by chroot(2) alone: `SLIPWAY_CHROOT_UNSUPPORTED` names the first thing. */
export function refuseUnsupported(spec: ProcessSpec, mounts: readonly ContainerMount[]): void {
  const asked = unsupported(spec, mounts)[0];
  if (asked === undefined) return;
  throw new SlipwayError('SLIPWAY_CHROOT_UNSUPPORTED', `chroot isolation cannot give a RUN step ${asked}`, {
    hint: 'slipway doctor tells what this machine needs for another isolation',
  });
}

function unsupported(spec: ProcessSpec, mounts: readonly ContainerMount[]): string[] {
  const { resources, cgroupParent, devices, network, security, shmSizeBytes, hostname } = spec;
  const limited = Object.keys(resources ?? {})[0];
  const sized = mounts.find((mount) => mount.type === 'tmpfs' && mount.sizeBytes !== undefined);
  return [
    ...(network === 'none' ? ['a network of its own (network none)'] : []),
    ...(security === 'insecure' ? ['more privileges than slipway has (security insecure)'] : []),
    ...(limited === undefined ? [] : [`a cgroup of its own (--resource ${limited})`]),
    ...(cgroupParent === undefined || cgroupParent === ''
      ? []
      : [`a cgroup of its own (--cgroup-parent ${cgroupParent})`]),
    ...(devices.length === 0 ? [] : [`devices (RUN --device=${devices[0]})`]),
    ...(shmSizeBytes === undefined ? [] : ['a /dev/shm of its own size (--shm-size)']),
    ...(hostname === DEFAULT_HOSTNAME ? [] : [`the hostname ${hostname}`]),
    ...(sized === undefined ? [] : [`a limit for what is written to ${sized.target} (type=tmpfs,size=)`]),
  ];
}
