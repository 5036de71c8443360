import { readdirSync } from 'node:fs';
import { errnoOf } from '../../core/errors.ts';
import { deviceNode, type OciDevice } from './oci-device.ts';

/** What BuildKit gives to a step of `--security=insecure`: the kernel's log, filesystems of programs, virtual machines, tunnels. */
const DEVICES: readonly OciDevice[] = [
  deviceNode('/dev/kmsg', 'c', [1, 11]),
  deviceNode('/dev/cuse', 'c', [10, 203]),
  deviceNode('/dev/fuse', 'c', [10, 229]),
  deviceNode('/dev/kvm', 'c', [10, 232]),
  deviceNode('/dev/net/tun', 'c', [10, 200]),
  deviceNode('/dev/loop-control', 'c', [10, 237]),
];
/** A step may ask for so many loop devices more than the machine has. */
const SPARE_LOOPS = 8;

/** The devices of a step that may do anything. In a user namespace there are none of them, because nobody makes devices there. */
export function insecureDevices(): readonly OciDevice[] {
  const count = loopDevices() + SPARE_LOOPS;
  return [...DEVICES, ...Array.from({ length: count }, (_, index) => deviceNode(`/dev/loop${index}`, 'b', [7, index]))];
}

/** One more than the highest number of a loop device. */
function loopDevices(): number {
  try {
    const numbers = readdirSync('/sys/block').map((name) => Number(/^loop(\d+)$/.exec(name)?.[1] ?? -1));
    return Math.max(-1, ...numbers) + 1;
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return 0;
    throw error;
  }
}
