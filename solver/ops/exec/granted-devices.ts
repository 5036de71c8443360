import { SlipwayError } from '../../../src/core/errors.ts';
import type { ExecOp } from '../../vertex.ts';
import type { MachineDevice } from '../services.ts';

/**
 * The full names of the devices that a RUN gets, of those that it asks for, as in BuildKit: whatever the machine has by such a name
 * has to be allowed, also where the step could do without; what it does not have is left out, unless it is required.
 * `SLIPWAY_ENTITLEMENT_MISSING`, `SLIPWAY_DEVICE_UNKNOWN`.
 */
export function grantedDevices(
  asked: ExecOp['devices'],
  entitlements: readonly string[],
  machine: (name: string, whenMissing: 'fail' | 'nothing') => readonly MachineDevice[],
): readonly string[] {
  if (asked.length === 0) return [];
  const grants = deviceGrants(entitlements);
  const allowed = new Set(grants.names.flatMap((name) => machine(name, 'nothing').map((device) => device.name)));
  const granted = asked.flatMap(({ name, required }) => {
    const alias = grants.aliases.get(name);
    const isNamed = grants.all || alias !== undefined || grants.names.includes(name);
    if (required && !isNamed && machine(name, 'nothing').length === 0) throw notAllowed(name, name);
    return machine(alias ?? name, required ? 'fail' : 'nothing').map((device) => {
      if (!grants.all && alias === undefined && !device.autoAllow && !allowed.has(device.name))
        throw notAllowed(name, device.name);
      return device.name;
    });
  });
  return [...new Set(granted)];
}

interface DeviceGrants {
  readonly all: boolean;
  readonly names: readonly string[];
  /** Names of Dockerfiles, and the devices that the user lets them stand for. */
  readonly aliases: ReadonlyMap<string, string>;
}

/** `device`, `device=NAME` and `device=NAME,alias=NAME`. */
function deviceGrants(entitlements: readonly string[]): DeviceGrants {
  const written = entitlements.filter((text) => text.startsWith('device=')).map((text) => text.slice('device='.length));
  const pairs = written.map((text) => text.split(',alias='));
  return {
    all: entitlements.includes('device'),
    names: pairs.flatMap(([name = '', alias]) => (alias === undefined && name !== '' ? [name] : [])),
    aliases: new Map(pairs.flatMap(([name = '', alias]) => (alias === undefined ? [] : [[alias, name]]))),
  };
}

function notAllowed(asked: string, name: string): SlipwayError {
  return new SlipwayError(
    'SLIPWAY_ENTITLEMENT_MISSING',
    `RUN --device=${asked} needs the entitlement device=${name}, which was not given`,
    { hint: `add --allow device=${name} if you trust this Dockerfile` },
  );
}
