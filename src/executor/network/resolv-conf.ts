import { existsSync, realpathSync } from 'node:fs';
import { toBytePath } from '../../core/byte-path.ts';
import type { DnsSettings } from '../../core/executor.ts';
import { readBoundedFile } from '../../core/unix-users.ts';
import { NAMESPACE_ADDRESSES } from './namespace-addresses.ts';

/** The machine's own; and where systemd-resolved, which listens on loopback, keeps the servers that it asks. */
const RESOLV_CONF = '/etc/resolv.conf';
const RESOLVED_CONF = '/run/systemd/resolve/resolv.conf';

/**
 * The text of /etc/resolv.conf for a step: the machine's, with the servers and search domains that the user asks for instead. In a network
 * of its own a step cannot reach name servers on the machine's loopback: then it has those behind them, or the one of the network.
 */
export function resolvConf(dns: DnsSettings, network: 'sandbox' | 'host'): string {
  const own = readIfThere(RESOLV_CONF);
  const { servers, search } = dns;
  const base = network === 'sandbox' ? reachable(own) : own;
  return [...(servers.length > 0 ? ['nameserver'] : []), ...(search.length > 0 ? ['search', 'domain'] : [])]
    .reduce(withoutKeyword, base)
    .concat(...servers.map((server) => `nameserver ${server}\n`))
    .concat(search.length > 0 ? `search ${search.join(' ')}\n` : '');
}

/** Whether all name servers of the machine listen on its loopback, so that the network of a step has to stand in for them. */
export function needsForwardedNames(): boolean {
  return serversOf(reachable(readIfThere(RESOLV_CONF))).includes(NAMESPACE_ADDRESSES.nameServer);
}

function reachable(text: string): string {
  if (!serversOf(text).some(isLoopback)) return text;
  const outside = withoutLoopback(text);
  if (serversOf(outside).length > 0) return outside;
  const behind = withoutLoopback(readIfThere(RESOLVED_CONF));
  if (serversOf(behind).length > 0) return behind;
  return `${outside}nameserver ${NAMESPACE_ADDRESSES.nameServer}\n`;
}

function serversOf(text: string): string[] {
  return [...text.matchAll(/^[ \t]*nameserver[ \t]+(\S+)/gm)].map(([, server = '']) => server);
}

function isLoopback(server: string): boolean {
  return server.startsWith('127.') || server === '::1' || server.startsWith('0.0.0.0');
}

function withoutLoopback(text: string): string {
  return lines(text, (line) => !serversOf(line).some(isLoopback));
}

function withoutKeyword(text: string, keyword: string): string {
  return lines(text, (line) => line.trim().split(/\s/)[0] !== keyword);
}

/** The lines that are kept, each with its end. */
function lines(text: string, keep: (line: string) => boolean): string {
  const kept = text.split('\n').filter((line) => line !== '' && keep(line));
  return kept.map((line) => `${line}\n`).join('');
}

function readIfThere(path: string): string {
  return existsSync(path) ? readBoundedFile(toBytePath(realpathSync(path)), path) : '';
}
