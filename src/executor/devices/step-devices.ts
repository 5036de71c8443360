import { statSync } from 'node:fs';
import { errnoOf, SlipwayError } from '../../core/errors.ts';
import { parseGoBoolean } from '../../core/go-literals.ts';
import { type CdiDevice, type ContainerEdits, joinEdits, readCdiDevices } from './cdi-specs.ts';

const NO_EDITS: ContainerEdits = { deviceNodes: [], mounts: [], env: [] };

/** BuildKit's annotations of devices: a name for many of them, and that every build may have one. */
const CLASS = 'org.mobyproject.buildkit.device.class';
const AUTO_ALLOW = 'org.mobyproject.buildkit.device.autoallow';

/**
 * The devices by a name as RUN --device takes it: `vendor.com/class=name`, the first of a kind (`vendor.com/class`), all of it
 * (`vendor.com/class=*`), or what is annotated as a class of that name. `SLIPWAY_DEVICE_UNKNOWN` for `fail` where there is none.
 */
export function machineDevices(
  name: string,
  whenMissing: 'fail' | 'nothing',
  folders?: readonly string[],
): readonly (CdiDevice & { readonly autoAllow: boolean })[] {
  const { devices, unread } = readCdiDevices(folders);
  const found = devicesNamed(name, [...devices.values()]);
  if (found.length === 0 && whenMissing === 'fail') throw unknown(name, [...devices.keys()], unread);
  return found.map((device) => ({
    ...device,
    autoAllow: parseGoBoolean(String(device.annotations[AUTO_ALLOW] ?? 'false')) === true,
  }));
}

/**
 * What the devices that a step has, by their full names, add to its container. `SLIPWAY_DEVICE_UNKNOWN`, `SLIPWAY_DEVICE_MISSING`.
 */
export function stepDevices(names: readonly string[], folders?: readonly string[]): ContainerEdits {
  if (names.length === 0) return NO_EDITS;
  const found = new Map(
    names.flatMap((name) => machineDevices(name, 'fail', folders)).map((device) => [device.name, device]),
  );
  const edits = joinEdits([...found.values()].map((device) => device.edits));
  for (const { hostPath } of edits.deviceNodes) requireDevice(hostPath);
  return edits;
}

function devicesNamed(asked: string, devices: readonly CdiDevice[]): readonly CdiDevice[] {
  const equals = asked.indexOf('=');
  const [kind, name] = equals < 0 ? [asked, ''] : [asked.slice(0, equals), asked.slice(equals + 1)];
  const ofKind = devices.filter((device) => device.name.startsWith(`${kind}=`));
  const found =
    name === '' ? ofKind.slice(0, 1) : name === '*' ? ofKind : ofKind.filter((device) => device.name === asked);
  return found.length > 0 ? found : devices.filter(({ annotations }) => annotations[CLASS] === asked);
}

function unknown(name: string, names: readonly string[], unread: readonly string[]): SlipwayError {
  const hint =
    names.length > 0 ? `there are: ${names.join(', ')}` : 'no device is described in /etc/cdi or /var/run/cdi';
  return new SlipwayError('SLIPWAY_DEVICE_UNKNOWN', `RUN --device=${name}: there is no such device`, {
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
