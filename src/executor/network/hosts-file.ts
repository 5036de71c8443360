import { isIP } from 'node:net';
import { SlipwayError } from '../../core/errors.ts';
import type { ProcessSpec } from '../../core/executor.ts';
import { hostAddress } from './host-address.ts';

/**
 * What /etc/hosts is in a container, as BuildKit writes it, with the extra hosts at the end. `network` is where the step really is: on
 * the host's network, `host-gateway` is loopback.
 */
export function hostsFile(
  { hostname, extraHosts }: Pick<ProcessSpec, 'hostname' | 'extraHosts'>,
  network: 'sandbox' | 'none' | 'host',
): string {
  const own = [`127.0.0.1\tlocalhost ${hostname}`, '::1\tlocalhost ip6-localhost ip6-loopback'];
  const extra = extraHosts.map(({ host, ip }) => `${address(host, ip, network)}\t${host}`);
  return `${[...own, ...extra].join('\n')}\n`;
}

function address(host: string, ip: string, network: 'sandbox' | 'none' | 'host'): string {
  if (isIP(ip) !== 0) return ip;
  if (ip !== 'host-gateway')
    throw new SlipwayError('SLIPWAY_ADD_HOST_INVALID', `--add-host ${host}: "${ip}" is no IP address`);
  const gateway = network === 'host' ? '127.0.0.1' : hostAddress();
  if (gateway !== undefined) return gateway;
  throw new SlipwayError(
    'SLIPWAY_HOST_GATEWAY_MISSING',
    `--add-host ${host}:host-gateway: this machine has no IPv4 address but loopback`,
    { hint: "give the step the host's network: --network=host, or name an address" },
  );
}
