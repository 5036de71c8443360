import tls from 'node:tls';

let context: tls.SecureContext | undefined;

/**
 * Whom https trusts: the system's certificates (with SSL_CERT_FILE and SSL_CERT_DIR, as OpenSSL reads them), or Node's own list
 * on a machine that has none, and NODE_EXTRA_CA_CERTS. Loaded once: parsing hundreds of certificates takes milliseconds.
 */
export function trustedCertificates(): tls.SecureContext {
  if (context !== undefined) return context;
  const system = tls.getCACertificates('system');
  const base = system.length > 0 ? system : tls.getCACertificates('bundled');
  context = tls.createSecureContext({ ca: [...new Set([...base, ...tls.getCACertificates('extra')])] });
  return context;
}
