import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';

/** A company with an authority of its own, and a service over HTTPS that says `hello`. Disposing ends and removes all of it. */
export interface Company extends Disposable {
  /** File with the authority's certificate. */
  readonly authority: string;
  /** Lines that are in no other certificate. */
  readonly canaries: readonly string[];
  readonly port: number;
}

const SERVER = `
const { readFileSync } = require('fs');
const [folder] = process.argv.slice(1);
const files = { key: readFileSync(folder + '/service.key'), cert: readFileSync(folder + '/service.crt') };
require('https').createServer(files, (_, response) => response.end('hello')).listen(0, '0.0.0.0', function () {
  console.log(this.address().port);
});`;

/** The service is known by `name`. */
export async function company(name: string): Promise<Company> {
  const folder = mkdtempSync(`${tmpdir()}/slipway-company-`);
  chmodSync(folder, 0o755);
  const file = (path: string) => `${folder}/${path}`;
  const key = '-newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes'.split(' ');
  openssl([
    'req',
    '-x509',
    ...key,
    '-days',
    '2',
    '-subj',
    '/CN=company',
    '-keyout',
    file('ca.key'),
    '-out',
    file('ca.crt'),
  ]);
  openssl(['req', ...key, '-subj', `/CN=${name}`, '-keyout', file('service.key'), '-out', file('service.csr')]);
  writeFileSync(file('names'), `subjectAltName=DNS:${name}\n`);
  const authority = ['-CA', file('ca.crt'), '-CAkey', file('ca.key'), '-CAcreateserial'];
  const request = [
    '-req',
    '-in',
    file('service.csr'),
    '-out',
    file('service.crt'),
    '-days',
    '2',
    '-extfile',
    file('names'),
  ];
  openssl(['x509', ...request, ...authority]);
  const server = spawn(process.execPath, ['-e', SERVER, folder], { stdio: ['ignore', 'pipe', 'inherit'] });
  const [port] = (await once(server.stdout, 'data')) as [Buffer];
  return {
    authority: file('ca.crt'),
    canaries: readFileSync(file('ca.crt'), 'utf8')
      .split('\n')
      .filter((line) => line.length === 64),
    port: Number(port.toString()),
    [Symbol.dispose]: () => {
      server.kill();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

function openssl(args: readonly string[]): void {
  const { status, stderr } = spawnSync('openssl', args, { encoding: 'utf8' });
  if (status !== 0) throw new Error(`openssl ${args.join(' ')}: ${stderr}`);
}
