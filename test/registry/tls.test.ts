import { execFile, execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';

const hasOpenssl = spawnSync('openssl', ['version']).status === 0;
if (!hasOpenssl) console.warn('SKIPPED: https tests, because openssl is not installed to make a certificate with');

/** Asks a registry on argv's port over https and prints the status, or the error. In a process of its own: Node reads SSL_CERT_FILE at its start. */
const PROGRAM = `
  const { RegistryClient } = await import(process.argv[1]);
  using client = new RegistryClient({ env: {}, isPlainHttp: () => false, credentials: async () => undefined });
  const repository = { domain: 'localhost:' + process.argv[2], path: 'x' };
  const request = { method: 'GET', repository, target: 'tags/list', actions: 'pull', expect: [200], task: 'pull x' };
  try {
    const response = await client.send(request, new AbortController().signal);
    console.log(response.status);
    response.discard();
  } catch (error) {
    console.log(error.code, error.message, error.hint);
  }
`;

describe.skipIf(!hasOpenssl)('https', () => {
  let folder: string;
  let port: number;
  let server: ReturnType<typeof createServer>;

  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'slipway-tls-'));
    const [key, cert] = [join(folder, 'key.pem'), join(folder, 'cert.pem')];
    const options = '-x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=localhost'.split(' ');
    execFileSync(
      'openssl',
      ['req', ...options, '-addext', 'subjectAltName=DNS:localhost', '-keyout', key, '-out', cert],
      {
        stdio: 'ignore',
      },
    );
    server = createServer({ key: readFileSync(key), cert: readFileSync(cert) }, (_request, response) =>
      response.end('{}'),
    );
    await new Promise<void>((ready) => server.listen(0, '127.0.0.1', ready));
    port = (server.address() as AddressInfo).port;
  });
  afterAll(() => {
    server.close();
    rmSync(folder, { recursive: true, force: true });
  });

  async function ask(env: Record<string, string>): Promise<string> {
    const module = new URL('../../src/registry/registry-client.ts', import.meta.url).href;
    const args = ['--input-type=module', '-e', PROGRAM, module, String(port)];
    const { stdout } = await promisify(execFile)(process.execPath, args, {
      env: { PATH: process.env.PATH ?? '', ...env },
    });
    return stdout.trim();
  }

  test('a registry whose certificate nobody signed is SLIPWAY_REGISTRY_UNREACHABLE, with what to do', async () => {
    const answer = await ask({});
    expect(answer).toMatch(/^SLIPWAY_REGISTRY_UNREACHABLE cannot pull x: localhost:\d+: self-signed certificate/);
    expect(answer).toContain('SSL_CERT_FILE');
  });

  test('SSL_CERT_FILE and NODE_EXTRA_CA_CERTS name whom to trust', async () => {
    const certificate = join(folder, 'cert.pem');
    expect(await ask({ SSL_CERT_FILE: certificate })).toBe('200');
    expect(await ask({ NODE_EXTRA_CA_CERTS: certificate })).toBe('200');
  });
});
