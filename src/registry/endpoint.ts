import { isLoopbackHost } from './destination.ts';

/** Docker Hub's names: the registry behind `docker.io`, and the key that its credentials are kept under. */
const HUB_DOMAIN = 'docker.io';
const HUB_HOST = 'registry-1.docker.io';
const HUB_CREDENTIALS = 'https://index.docker.io/v1/';

/** Where the registry of a reference's domain is spoken to: `https://ghcr.io`, and http for this machine's own. */
export function endpointOf(domain: string, isPlainHttp?: (domain: string) => boolean): URL {
  if (domain === HUB_DOMAIN) return new URL(`https://${HUB_HOST}`);
  const url = new URL(`https://${domain}`);
  const isPlain = isPlainHttp?.(domain) ?? isLoopbackHost(url.hostname);
  return isPlain ? new URL(`http://${domain}`) : url;
}

/** The server name that docker's config and credential helpers know a domain by. */
export function credentialKeyOf(domain: string): string {
  return domain === HUB_DOMAIN ? HUB_CREDENTIALS : domain;
}
