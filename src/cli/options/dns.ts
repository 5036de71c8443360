import { isIP } from 'node:net';
import type { BuildRequest } from '../../build.ts';
import { invalidOption } from './invalid-option.ts';

/** `--dns IP` and `--dns-search DOMAIN`; undefined where there is neither. */
export function parseDns(servers: readonly string[], search: readonly string[]): BuildRequest['dns'] {
  for (const server of servers)
    if (isIP(server) === 0) throw invalidOption('--dns', `"${server}": expected an IP address`);
  for (const domain of search)
    if (!/^[A-Za-z0-9_.-]{1,253}$/.test(domain)) throw invalidOption('--dns-search', `"${domain}": expected a domain`);
  return servers.length === 0 && search.length === 0 ? undefined : { servers, search };
}
