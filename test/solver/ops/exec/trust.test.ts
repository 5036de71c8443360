import { expect, it } from 'vitest';
import { trustMounts } from '../../../../solver/ops/exec/trust.ts';

const trust = { added: Buffer.from('added'), all: Buffer.from('all') };

it('brings nothing where the user gave no certificates', () => {
  expect(trustMounts(undefined, ['A=1'])).toEqual({ container: [], env: [] });
});

it('mounts certificates in memory and names them to tools, but for what the step sets itself', () => {
  const { container, env } = trustMounts(trust, ['SSL_CERT_FILE=/own.pem']);
  expect(container.map((mount) => mount.type)).toEqual(['secret', 'secret']);
  expect(env).toContain('CURL_CA_BUNDLE=/run/slipway/ca-certificates.pem');
  expect(env).toContain('NODE_EXTRA_CA_CERTS=/run/slipway/added-certificates.pem');
  expect(env.some((variable) => variable.startsWith('SSL_CERT_FILE='))).toBe(false);
});
