import { statSync } from 'node:fs';
import { errnoOf, SlipwayError } from '../../core/errors.ts';
import { type CdiDevice, type ContainerEdits, joinEdits, readCdiDevices } from './cdi-specs.ts';

const NO_EDITS: ContainerEdits = { deviceNodes: [], mounts: [], env: [] };

/**
 * What the devices that a step names (`vendor.com/class=name`, or `vendor.com/class` for all of it) add to its container.
 * `SLIPWAY_DEVICE_UNKNOWN`, `SLIPWAY_DEVICE_MISSING`.
 */
export function stepDevices(names: readonly string[], folders?: readonly string[]): ContainerEdits {
  if (names.length === 0) return NO_EDITS;
  const known = readCdiDevices(folders);
  const found = new Set(names.flatMap((name) => devicesNamed(name, known)));
  const edits = joinEdits([...found].map((device) => device.edits));
  for (const { hostPath } of edits.deviceNodes) requireDevice(hostPath);
  return edits;
}

function devicesNamed(name: string, { devices, unread }: ReturnType<typeof readCdiDevices>): readonly CdiDevice[] {
  const found = [...devices.values()].filter((device) => device.name === name || device.name.startsWith(`${name}=`));
  if (found.length > 0) return found;
  const names = [...devices.keys()];
  const hint =
    names.length > 0 ? `there are: ${names.join(', ')}` : 'no device is described in /etc/cdi or /var/run/cdi';
  throw new SlipwayError('SLIPWAY_DEVICE_UNKNOWN', `RUN --device=${name}: there is no such device`, {
    hint: unread.length === 0 ? hint : `${hint}; only JSON is read, so convert ${unread.join(', ')}`,
  });
}

function requireDevice(path: string): void {
  try {
    const stat = statSync(path);
    if (stat.isCharacterDevice() || stat.isBlockDevice()) return;
  } catch (error) {
    if (errnoOf(error) === undefined) throw error;
    throw new SlipwayError('SLIPWAY_DEVICE_MISSING', `the device ${path} is not there: ${errnoOf(error)}`, {
      cause: error,
    });
  }
  throw new SlipwayError('SLIPWAY_DEVICE_MISSING', `${path} is no device`);
}
