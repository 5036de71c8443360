import { SlipwayError } from '../../../src/core/errors.ts';
import type { ExecOp } from '../../vertex.ts';

/**
 * Refuses what reaches beyond the sandbox unless the user allowed it (`--allow`); anything but the known modes is refused too.
 * Devices are allowed here by the very names that they have; `grantedDevices` knows the other ways.
 */
export function requireAllowed(
  op: Pick<ExecOp, 'network' | 'security' | 'devices'>,
  entitlements: readonly string[],
): void {
  if (needs(op.network, { sandbox: 'nothing', none: 'nothing', host: 'entitlement' }))
    requireEntitlement('network.host', 'RUN --network=host', entitlements);
  if (needs(op.security, { sandbox: 'nothing', insecure: 'entitlement' }))
    requireEntitlement('security.insecure', 'RUN --security=insecure', entitlements);
  for (const device of op.devices) {
    if (device.required && !isDeviceAllowed(device.name, entitlements))
      throw missing(`device=${device.name}`, `RUN --device=${device.name}`);
  }
}

function isDeviceAllowed(name: string, entitlements: readonly string[]): boolean {
  return entitlements.includes('device') || entitlements.includes(`device=${name}`);
}

function needs<Mode extends string>(mode: Mode, table: Readonly<Record<Mode, 'nothing' | 'entitlement'>>): boolean {
  if (!Object.hasOwn(table, mode)) throw new Error(`internal: unknown mode ${JSON.stringify(mode)}`);
  return table[mode] === 'entitlement';
}

function requireEntitlement(name: string, what: string, entitlements: readonly string[]): void {
  if (!entitlements.includes(name)) throw missing(name, what);
}

function missing(name: string, what: string): SlipwayError {
  return new SlipwayError('SLIPWAY_ENTITLEMENT_MISSING', `${what} needs the entitlement ${name}, which was not given`, {
    hint: `add --allow ${name} if you trust this Dockerfile`,
  });
}
