import { BlockList, isIP } from 'node:net';
import { SlipwayError } from '../core/errors.ts';
import { isLoopbackHost } from './destination.ts';

type Environment = Readonly<Record<string, string | undefined>>;

/**
 * The proxy for a URL, or undefined to connect directly: HTTP_PROXY, HTTPS_PROXY and NO_PROXY in either case, by the rules of
 * Go's net/http, which every other container tool has. This machine's own registries never go through a proxy.
 */
export function proxyFor(url: URL, env: Environment): URL | undefined {
  const name = url.protocol === 'https:' ? 'HTTPS_PROXY' : 'HTTP_PROXY';
  const value = env[name] || env[name.toLowerCase()];
  if (!value || isLoopbackHost(url.hostname) || isExcluded(url, env.NO_PROXY || env.no_proxy || '')) return undefined;
  const text = value.includes('://') ? value : `http://${value}`;
  if (!URL.canParse(text)) throw invalidProxy(name, 'it is no URL');
  const proxy = new URL(text);
  if (proxy.protocol !== 'http:' && proxy.protocol !== 'https:')
    throw invalidProxy(name, `${proxy.protocol}// proxies are not supported, only http:// and https://`);
  return proxy;
}

/** The value may hold a password and is not shown. */
function invalidProxy(name: string, why: string): SlipwayError {
  return new SlipwayError('SLIPWAY_PROXY_INVALID', `the proxy in ${name} cannot be used: ${why}`);
}

function isExcluded(url: URL, list: string): boolean {
  const host = url.hostname
    .toLowerCase()
    .replace(/^\[|\]$/g, '')
    .replace(/\.$/, '');
  const port = url.port || (url.protocol === 'https:' ? '443' : '80');
  return list
    .toLowerCase()
    .split(/[,\s]+/)
    .some((entry) => entry !== '' && covers(entry, host, port));
}

/** One NO_PROXY entry: `*`, `10.0.0.0/8`, `10.1.2.3[:port]`, `example.com[:port]` with subdomains, `.example.com` without itself. */
function covers(entry: string, host: string, port: string): boolean {
  if (entry === '*') return true;
  if (entry.includes('/')) return inSubnet(entry, host);
  const [, name = entry, onlyPort] = /^(\[[^\]]*\]|[^:]*):(\d+)$/.exec(entry) ?? [];
  if (onlyPort !== undefined && onlyPort !== port) return false;
  const bare = name.replace(/^\[|\]$/g, '');
  if (isIP(bare) !== 0) return bare === host;
  if (bare.startsWith('*.')) return host.endsWith(bare.slice(1));
  return bare.startsWith('.') ? host.endsWith(bare) : host === bare || host.endsWith(`.${bare}`);
}

function inSubnet(entry: string, host: string): boolean {
  const [network = '', bits = ''] = entry.split('/');
  const version = isIP(network);
  const prefix = Number(bits);
  if (version === 0 || isIP(host) !== version || !/^\d+$/.test(bits) || prefix > (version === 4 ? 32 : 128))
    return false;
  const family = version === 4 ? 'ipv4' : 'ipv6';
  const list = new BlockList();
  list.addSubnet(network, prefix, family);
  return list.check(host, family);
}
