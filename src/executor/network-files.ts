import { existsSync, realpathSync } from 'node:fs';
import { isIP } from 'node:net';
import { toBytePath } from '../core/byte-path.ts';
import { SlipwayError } from '../core/errors.ts';
import type { ProcessSpec } from '../core/executor.ts';
import { readBoundedFile } from '../core/unix-users.ts';

/** What /etc/hosts is in a container, as BuildKit writes it, with the extra hosts at the end. */
export function hostsFile({ hostname, extraHosts }: Pick<ProcessSpec, 'hostname' | 'extraHosts'>): string {
  const own = [`127.0.0.1\tlocalhost ${hostname}`, '::1\tlocalhost ip6-localhost ip6-loopback'];
  const extra = extraHosts.map(({ host, ip }) => `${checkedAddress(host, ip)}\t${host}`);
  return `${[...own, ...extra].join('\n')}\n`;
}

/** The machine's own /etc/resolv.conf: its name servers can be reached, since steps are on its network. Empty where it has none. */
export function resolvConfFile(): string {
  const path = '/etc/resolv.conf';
  return existsSync(path) ? readBoundedFile(toBytePath(realpathSync(path)), path) : '';
}

function checkedAddress(host: string, ip: string): string {
  if (isIP(ip) !== 0) return ip;
  if (ip === 'host-gateway') {
    throw new SlipwayError(
      'SLIPWAY_HOST_GATEWAY_UNSUPPORTED',
      `--add-host ${host}:host-gateway is not supported yet: steps are on the host's own network`,
      { hint: `use --add-host ${host}:127.0.0.1` },
    );
  }
  throw new SlipwayError('SLIPWAY_ADD_HOST_INVALID', `--add-host ${host}: "${ip}" is no IP address`);
}
