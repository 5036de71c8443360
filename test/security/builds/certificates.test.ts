import { spawnSync } from 'node:child_process';
import { lstatSync, readdirSync, readFileSync } from 'node:fs';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { openRig, type SlipwayRig } from '../../rig/slipway.ts';
import { temporaryFolder } from '../../rig/temporary-folder.ts';
import { describeForEachIsolation } from './each-isolation.ts';

describeForEachIsolation('files that slipway mounts into every step', (who, isolation) => {
  let rig: SlipwayRig;
  beforeAll(() => {
    rig = openRig(who);
  });
  afterAll(() => rig[Symbol.dispose]());

  it.each([
    '/run/slipway',
    '/run/slipway/ca-certificates.pem',
    '/run/slipway/added-certificates.pem',
    '/etc/resolv.conf',
    '/etc/hosts',
    '/etc/hostname',
  ])('CVE-2024-9341: reach nothing of the host where %s of the image is a symlink', async (place) => {
    const victim = rig.context({ 'ca-certificates.pem': 'of the host', 'added-certificates.pem': 'of the host' });
    const state = () =>
      readdirSync(victim).map((name) => [
        name,
        lstatSync(`${victim}/${name}`).ctimeMs,
        lstatSync(`${victim}/${name}`).ino,
      ]);
    const before = state();
    const target = place.endsWith('slipway') ? victim : `${victim}/ca-certificates.pem`;
    const context = rig.context({
      Dockerfile: `FROM busybox AS hostile
COPY --from=links / /
RUN cat "$SSL_CERT_FILE" "$NODE_EXTRA_CA_CERTS" /etc/hosts /etc/resolv.conf >/seen; echo x >>"$SSL_CERT_FILE"; echo x >>/etc/hosts; true
FROM scratch
COPY --from=hostile /seen /seen
`,
      'ca.pem': certificate(),
    });
    const links = rig.context({ Dockerfile: '' });
    spawnSync('mkdir', ['-p', `${links}${place.slice(0, place.lastIndexOf('/'))}`]);
    spawnSync('ln', ['-s', target, `${links}${place}`]);
    const output = `${rig.folder}/home/seen-${isolation}${place.replaceAll('/', '-')}`;
    const args = ['--ca-cert', `${context}/ca.pem`, '--build-context', `links=${links}`];
    const said = await rig
      .build([`--isolation=${isolation}`, ...args, '-o', `type=local,dest=${output}`, context])
      .then(
        () => undefined,
        (error: Error) => error.message,
      );
    expect(state()).toEqual(before);
    if (said !== undefined) expect(said).toMatch(/\[SLIPWAY_(RUN|RUNTIME|MOUNT)_/);
    else {
      const seen = readFileSync(`${output}/seen`, 'utf8');
      expect(seen.match(/BEGIN CERTIFICATE/g)?.length).toBeGreaterThanOrEqual(place.startsWith('/run') ? 1 : 2);
      expect(seen).not.toContain('of the host');
    }
  });
});

/** A certificate that nobody else trusts. */
function certificate(): string {
  const folder = temporaryFolder('certificate');
  const options = '-x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=company'.split(' ');
  const { status, stderr } = spawnSync('openssl', [
    'req',
    ...options,
    '-keyout',
    `${folder}/key`,
    '-out',
    `${folder}/ca`,
  ]);
  if (status !== 0) throw new Error(`openssl: ${stderr}`);
  return readFileSync(`${folder}/ca`, 'utf8');
}
