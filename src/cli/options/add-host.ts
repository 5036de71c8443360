import { isIP } from 'node:net';
import { invalidOption } from './invalid-option.ts';

/** `--add-host HOST:IP` or `HOST=IP`, several in one value behind commas; the IP may be in brackets, or `host-gateway`. */
export function parseAddHosts(values: readonly string[]): readonly { readonly host: string; readonly ip: string }[] {
  return values.flatMap((value) => value.split(',')).map(parseAddHost);
}

function parseAddHost(text: string): { readonly host: string; readonly ip: string } {
  const separator = text.includes('=') ? text.indexOf('=') : text.indexOf(':');
  const host = text.slice(0, Math.max(separator, 0));
  const ip = text.slice(separator + 1).replace(/^\[(.+)\]$/, '$1');
  if (!/^[^\s#/]+$/.test(host)) throw invalidOption('--add-host', `"${text}": expected HOST:IP or HOST=IP`);
  if (ip !== 'host-gateway' && isIP(ip) === 0) throw invalidOption('--add-host', `"${text}": "${ip}" is no IP address`);
  return { host, ip };
}
