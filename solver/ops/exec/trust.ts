import type { ContainerMount } from '../../../src/core/executor.ts';
import type { TrustedCertificates } from '../services.ts';

const FOLDER = '/run/slipway';
const ALL = `${FOLDER}/ca-certificates.pem`;
const ADDED = `${FOLDER}/added-certificates.pem`;

/** Variables that name a file of certificates that a tool trusts instead of the system's. */
const VARIABLES = [
  'SSL_CERT_FILE',
  'CURL_CA_BUNDLE',
  'REQUESTS_CA_BUNDLE',
  'PIP_CERT',
  'GIT_SSL_CAINFO',
  'CARGO_HTTP_CAINFO',
  'AWS_CA_BUNDLE',
  'NIX_SSL_CERT_FILE',
];

/**
 * What makes a step's tools trust the certificates: files in memory, and the variables that name them, but for those that the step sets
 * itself. Neither enters a key, a layer or the history.
 */
export function trustMounts(
  trust: TrustedCertificates | undefined,
  env: readonly string[],
): { readonly container: readonly ContainerMount[]; readonly env: readonly string[] } {
  if (trust === undefined) return { container: [], env: [] };
  const own = new Set(env.map((variable) => variable.slice(0, variable.indexOf('='))));
  const file = (target: string, data: Uint8Array): ContainerMount => ({
    type: 'secret',
    target,
    data,
    uid: 0,
    gid: 0,
    mode: 0o444,
  });
  const variables = [...VARIABLES.map((name) => [name, ALL]), ['NODE_EXTRA_CA_CERTS', ADDED]];
  return {
    container: [file(ALL, trust.all), file(ADDED, trust.added)],
    env: variables.filter(([name = '']) => !own.has(name)).map((pair) => pair.join('=')),
  };
}
