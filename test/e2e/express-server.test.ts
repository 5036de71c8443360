import { cpSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { eventually } from '../rig/eventually.ts';
import { freePort } from '../rig/local-server.ts';
import { cachedSteps } from '../rig/plain-progress.ts';
import { containers, describeWhere, heavyBuilds, ordinaryUser } from '../rig/requirements.ts';
import { runRootfs } from '../rig/run-rootfs.ts';
import { openRig, readableCopy, type SlipwayRig } from '../rig/slipway.ts';

const FIXTURE = join(import.meta.dirname, '../../fixtures/express-server');

describeWhere(
  'the server of a docker course, built by an ordinary user',
  [containers, ordinaryUser, heavyBuilds],
  () => {
    let rig: SlipwayRig;
    let project: string;

    beforeAll(() => {
      rig = openRig('ordinary user');
      project = readableCopy(rig, FIXTURE);
    });
    afterAll(() => rig[Symbol.dispose]());

    async function build(dockerfile: string): Promise<Record<string, boolean>> {
      const output = `type=local,dest=${rig.folder}/root-of-${dockerfile}`;
      const { stderr } = await rig.build([
        '-f',
        `${project}/${dockerfile}`,
        ...certificates(rig),
        '-o',
        output,
        project,
      ]);
      return cachedSteps(stderr);
    }

    it('answers on its port', async () => {
      await build('Dockerfile');
      expect(await answer('Dockerfile', '/')).toBe('Hello from a container');
    }, 600_000);

    it('keeps the installed packages when a route is added, where package.json is copied first', async () => {
      addRoute('first');
      const steps = await build('Dockerfile');
      expect(steps['COPY package*.json ./']).toBe(true);
      expect(steps['RUN npm install']).toBe(true);
      expect(steps['COPY . .']).toBe(false);
      expect(await answer('Dockerfile', '/first')).toBe('first');
    }, 600_000);

    it('installs the packages again when a route is added, where everything is copied first', async () => {
      const before = await build('Dockerfile.copy-first');
      expect(before['RUN npm install']).toBe(false);
      addRoute('second');
      const steps = await build('Dockerfile.copy-first');
      expect(steps['COPY . .']).toBe(false);
      expect(steps['RUN npm install']).toBe(false);
      expect(await answer('Dockerfile.copy-first', '/second')).toBe('second');
    }, 600_000);

    function addRoute(name: string): void {
      const file = `${project}/index.js`;
      const text = readFileSync(file, 'utf8');
      const route = `app.get('/${name}', (request, response) => response.send('${name}'));\n\n`;
      writeFileSync(file, text.replace('app.listen', `${route}app.listen`));
    }

    /** Runs the image once and asks its server. */
    async function answer(dockerfile: string, path: string): Promise<string> {
      const port = await freePort();
      const command = ['env', `PORT=${port}`, 'sh', '-c', 'cd /app && exec node index.js'];
      using server = runRootfs(rig.who, `${rig.folder}/root-of-${dockerfile}`, command);
      const ask = async () => (await fetch(`http://127.0.0.1:${port}${path}`)).text();
      return await eventually(ask, { within: 30_000, context: () => server.output() });
    }
  },
);

/** Where the network signs with a certificate of its own, npm in the container has to know it, too. */
function certificates(rig: SlipwayRig): string[] {
  const bundle = process.env.SSL_CERT_FILE || process.env.NODE_EXTRA_CA_CERTS;
  if (!bundle) return [];
  const copy = `${rig.folder}/ca.crt`;
  cpSync(bundle, copy, { dereference: true });
  return ['--secret', `id=ca,src=${copy}`];
}
