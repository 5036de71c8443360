import { deviceNode, type OciDevice } from './oci-device.ts';

/** The devices that every container has (runtime-spec, config-linux.md, "Default Devices"), less those that runtimes link. */
export const STANDARD_DEVICES: readonly OciDevice[] = [
  deviceNode('/dev/null', 'c', [1, 3]),
  deviceNode('/dev/zero', 'c', [1, 5]),
  deviceNode('/dev/full', 'c', [1, 7]),
  deviceNode('/dev/random', 'c', [1, 8]),
  deviceNode('/dev/urandom', 'c', [1, 9]),
  deviceNode('/dev/tty', 'c', [5, 0]),
];
