import { BlockList, isIP } from 'node:net';

/**
 * Why slipway does not follow a registry from `from` to `to` (a redirect, a token realm, an upload location), or undefined
 * where it does: only http and https, never from https down to http, and no registry elsewhere may send slipway to this
 * machine's own services or to a cloud's metadata address.
 */
export function refusalOf(from: URL, to: URL): string | undefined {
  if (to.protocol !== 'https:' && to.protocol !== 'http:') return `the scheme ${to.protocol} is not http or https`;
  if (from.protocol === 'https:' && to.protocol === 'http:') return 'it leads from https to http';
  if (to.username !== '' || to.password !== '') return 'it has credentials in the URL';
  if (isInternalHost(to.hostname) && !isInternalHost(from.hostname))
    return `${to.hostname} is an address of this machine or link`;
  return undefined;
}

/** Whether a URL's host is this machine's loopback: registries there are spoken to over http, as docker does. */
export function isLoopbackHost(hostname: string): boolean {
  const bare = bareHost(hostname);
  return bare === 'localhost' || bare.endsWith('.localhost') || inList(loopback(), bare);
}

function isInternalHost(hostname: string): boolean {
  return isLoopbackHost(hostname) || inList(linkLocal(), bareHost(hostname));
}

function bareHost(hostname: string): string {
  const lower = hostname.toLowerCase().replace(/\.$/, '');
  return lower.startsWith('[') ? lower.slice(1, -1) : lower;
}

function inList(list: BlockList, address: string): boolean {
  const version = isIP(address);
  return version !== 0 && list.check(address, version === 4 ? 'ipv4' : 'ipv6');
}

function loopback(): BlockList {
  const list = new BlockList();
  list.addSubnet('127.0.0.0', 8, 'ipv4');
  list.addAddress('::1', 'ipv6');
  return list;
}

function linkLocal(): BlockList {
  const list = new BlockList();
  list.addSubnet('169.254.0.0', 16, 'ipv4');
  list.addSubnet('0.0.0.0', 8, 'ipv4');
  list.addSubnet('fe80::', 10, 'ipv6');
  list.addAddress('::', 'ipv6');
  list.addAddress('fd00:ec2::254', 'ipv6');
  return list;
}
