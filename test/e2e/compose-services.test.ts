import { once } from 'node:events';
import { readFileSync, writeFileSync } from 'node:fs';
import { get } from 'node:https';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { validateImage } from '../../src/image/validate.ts';
import { eventually } from '../rig/eventually.ts';
import { freePort } from '../rig/local-server.ts';
import { containers, describeWhere, heavyBuilds, root } from '../rig/requirements.ts';
import { runRootfs } from '../rig/run-rootfs.ts';
import { runTool } from '../rig/run-tool.ts';
import { openRig, readableCopy, type SlipwayRig } from '../rig/slipway.ts';

const FIXTURE = join(import.meta.dirname, '../../fixtures/compose');

describeWhere('the services of a docker-compose course project', [root, containers, heavyBuilds], () => {
  let rig: SlipwayRig;
  let project: string;

  beforeAll(() => {
    rig = openRig('root');
    project = readableCopy(rig, FIXTURE);
  });
  afterAll(() => rig[Symbol.dispose]());

  /** The folder with the image's files, with their owners. */
  async function build(service: string): Promise<string> {
    const [image, archive, files] = [`${service}.oci.tar`, `${service}.tar`, service].map(
      (name) => `${rig.folder}/${name}`,
    );
    await rig.build(['-o', `type=oci,dest=${image}`, '-o', `type=tar,dest=${archive}`, join(project, service)]);
    expect(await validateImage(`${image}`)).toEqual([]);
    runTool('mkdir', `${files}`);
    runTool('tar', '-xpf', `${archive}`, '-C', `${files}`);
    return `${files}`;
  }

  async function outputOf(files: string, command: readonly string[]): Promise<string> {
    using run = runRootfs(rig.who, files, command);
    await once(run.process, 'close');
    return run.output();
  }

  it('builds nginx, which answers over https', async () => {
    const files = await build('nginx');
    const port = await freePort();
    replaceIn(`${files}/etc/nginx/sites-available/default`, 'listen 443', `listen ${port}`);
    using server = runRootfs(rig.who, files, ['nginx', '-g', 'daemon off;']);
    const page = () => getPage(`https://127.0.0.1:${port}/`);
    expect(await eventually(page, { within: 20_000, context: server.output })).toContain('Hello over https');
  }, 600_000);

  it('builds MariaDB, which answers a query', async () => {
    const command = ['env', 'DB_NAME=shop', 'DB_USER=clerk', 'DB_PASSWORD=secret', 'entrypoint.sh'];
    const options = ['mariadbd', '--user=mysql', '--port=0', '--skip-networking'];
    const files = await build('mariadb');
    using server = runRootfs(rig.who, files, [...command, ...options]);
    const query = async () => {
      expect(await outputOf(files, ['mariadb', '-N', '-e', 'SHOW DATABASES'])).toContain('shop');
    };
    await eventually(query, { within: 60_000, context: server.output });
  }, 600_000);

  it('builds WordPress, whose php-fpm serves its page', async () => {
    const files = await build('wordpress');
    const asSite = ['setpriv', '--reuid=site', '--regid=site', '--clear-groups'];
    expect(await outputOf(files, ['php8.2', '/var/www/html/index.php'])).toContain('Hello from PHP 8');
    expect(await outputOf(files, [...asSite, 'php-fpm8.2', '-t'])).toContain('test is successful');
  }, 600_000);
});

/** Another server of this machine may have the port of the image. */
function replaceIn(file: string, text: string, replacement: string): void {
  writeFileSync(file, readFileSync(file, 'utf8').replace(text, replacement));
}

/** The certificate is self-signed. */
function getPage(url: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const request = get(url, { rejectUnauthorized: false }, (response) => {
      let body = '';
      response.setEncoding('utf8').on('data', (text: string) => {
        body += text;
      });
      response.on('end', () =>
        response.statusCode === 200 ? resolve(body) : reject(new Error(`${response.statusCode}`)),
      );
    });
    request.on('error', reject);
  });
}
