import { X509Certificate } from 'node:crypto';
import { resolve } from 'node:path';
import { rootCertificates } from 'node:tls';
import type { TrustedCertificates } from '../solver/ops/services.ts';
import type { BuildRequest } from './build-request.ts';
import { errnoOf, SlipwayError } from './core/errors.ts';
import { readUpTo } from './core/read-up-to.ts';

/** All authorities that anybody trusts take a quarter of a megabyte. */
const LIMIT_BYTES = 16 * 1024 * 1024;
const CERTIFICATE = /-----BEGIN CERTIFICATE-----[\s\S]*?-----END CERTIFICATE-----/g;

/**
 * The certificates of `--ca-cert`, and with them those that Mozilla trusts (as Node has them); undefined where the request has none.
 * `SLIPWAY_CA_CERT_UNREADABLE`, `SLIPWAY_CA_CERT_INVALID`.
 */
export function trustedCertificates({ caCertificates = [], cwd }: BuildRequest): TrustedCertificates | undefined {
  if (caCertificates.length === 0) return undefined;
  const added = caCertificates.flatMap((path) => readCertificates(path, resolve(cwd, path)));
  const text = (certificates: readonly string[]) => Buffer.from(`${certificates.join('\n')}\n`);
  return { added: text(added), all: text([...rootCertificates, ...added]) };
}

/** The certificates alone: what else is in the file, such as a private key, goes nowhere. */
function readCertificates(given: string, path: string): readonly string[] {
  const found = read(given, path).match(CERTIFICATE) ?? [];
  if (found.length > 0 && found.every(isCertificate)) return found;
  throw new SlipwayError(
    'SLIPWAY_CA_CERT_INVALID',
    `--ca-cert ${given}: ${found.length === 0 ? 'it has no certificate in PEM' : 'a certificate in it is damaged'}`,
    { hint: 'convert it: openssl x509 -inform der -in FILE -out FILE.pem' },
  );
}

function isCertificate(pem: string): boolean {
  try {
    new X509Certificate(pem);
    return true;
  } catch {
    // OpenSSL has a code for each way of being damaged; to the user they are one.
    return false;
  }
}

function read(given: string, path: string): string {
  let bytes: Buffer | undefined;
  try {
    bytes = readUpTo(path, LIMIT_BYTES);
  } catch (error) {
    throw new SlipwayError('SLIPWAY_CA_CERT_UNREADABLE', `--ca-cert ${given} cannot be read: ${errnoOf(error)}`, {
      cause: error,
    });
  }
  if (bytes !== undefined) return bytes.toString('latin1');
  throw new SlipwayError('SLIPWAY_CA_CERT_INVALID', `--ca-cert ${given}: it has more than ${LIMIT_BYTES} bytes`);
}
