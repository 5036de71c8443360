import { readdirSync, readFileSync } from 'node:fs';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { hostAddress } from '../../src/executor/network/host-address.ts';
import { type Company, company } from '../rig/company.ts';
import { describeForEachUser } from '../rig/each-user.ts';
import { copyPrograms } from '../rig/machine-programs.ts';
import { type OwnMounts, ownMounts } from '../rig/own-mounts.ts';
import { program, type Requirement, root } from '../rig/requirements.ts';
import { openRig, type SlipwayRig } from '../rig/slipway.ts';

const NAME = 'service.corp.test';
const PROXIES = { HTTP_PROXY: 'http://canary-proxy.corp.test:3128', no_proxy: 'canary-direct.corp.test' };
const address: Requirement = () => (hostAddress() === undefined ? 'the machine has no IPv4 address' : undefined);

const ISOLATIONS: Readonly<Record<string, readonly string[]>> = {
  crun: ['--isolation=oci', '--oci-runtime=crun'],
  runc: ['--isolation=oci', '--oci-runtime=runc'],
  native: ['--isolation=native'],
};
const CHROOT = { chroot: ['--isolation=chroot'] };

describeForEachUser(
  'steps behind a company’s proxy and certificates',
  (who) => {
    const isolations = Object.entries(who === 'root' ? { ...ISOLATIONS, ...CHROOT } : ISOLATIONS);
    let rig: SlipwayRig;
    let own: OwnMounts;
    let corp: Company;
    let tools: string;
    beforeAll(async () => {
      rig = openRig(who);
      own = ownMounts();
      corp = await company(NAME);
      tools = rig.context({ Dockerfile: '' });
      const python = readdirSync('/usr/lib').find((name) => /^python3\.\d+$/.test(name)) ?? '';
      copyPrograms(tools, ['/usr/bin/curl', '/usr/bin/openssl', '/usr/bin/python3'], [`/usr/lib/${python}`]);
    });
    afterAll(() => {
      for (const resource of [rig, own, corp]) resource[Symbol.dispose]();
    });

    const asCompany = () => ['--add-host', `${NAME}:${hostAddress()}`, '--build-context', `tools=${tools}`];
    const url = () => `https://${NAME}:${corp.port}/`;
    const asking = () => [
      `curl -sS ${url()}; echo " from curl"`,
      `echo | openssl s_client -brief -verify_return_error -connect ${NAME}:${corp.port} 2>&1 | grep Verification:`,
      `python3 -c 'import urllib.request; print(urllib.request.urlopen("${url()}").read().decode(), "from python")'`,
    ];
    const dockerfile = (...steps: readonly string[]) =>
      rig.context({
        Dockerfile: `FROM busybox\nCOPY --from=tools / /\n${steps.map((step) => `RUN ${step}\n`).join('')}`,
      });

    it.each(isolations)(
      'curl, openssl and python trust the certificate that was given, and no other (%s)',
      async (_, isolation) => {
        const context = dockerfile(asking().join('; '));
        const args = ['--no-cache', ...isolation, ...asCompany()];
        const { stderr } = await rig.build([...args, '--ca-cert', corp.authority, context], own);
        for (const said of ['hello from curl', 'Verification: OK', 'hello from python'])
          expect(stderr).toContain(` ${said}\n`);
        const without = await rig.build([...args, dockerfile(`${asking().join('; ')}; true`)], own);
        expect(without.stderr).not.toMatch(/hello from|Verification: OK/);
      },
    );

    it.each(isolations)(
      'proxies and certificates are there for the step alone, and nowhere in the image (%s)',
      async (kind, isolation) => {
        const layout = `${rig.folder}/home/layout-${kind}`;
        const args = Object.entries(PROXIES).flatMap(([name, value]) => ['--build-arg', `${name}=${value}`]);
        const output = ['-o', `type=oci,tar=false,compression=uncompressed,dest=${layout}`];
        const context = rig.context({
          Dockerfile: 'FROM busybox\nRUN env; cat "$SSL_CERT_FILE"; echo made >/made\nRUN ls -A /run /run/slipway\n',
        });
        const { stderr } = await rig.build([
          '--no-cache',
          ...isolation,
          ...args,
          '--ca-cert',
          corp.authority,
          ...output,
          context,
        ]);
        for (const [name, value] of Object.entries(PROXIES)) expect(stderr).toMatch(new RegExp(` ${name}=${value}\\n`));
        for (const line of corp.canaries) expect(stderr).toContain(line);
        const blobs = readdirSync(`${layout}/blobs/sha256`).map((blob) =>
          readFileSync(`${layout}/blobs/sha256/${blob}`, 'latin1'),
        );
        for (const trace of ['canary-', 'run/slipway', 'SSL_CERT_FILE', ...corp.canaries])
          expect(blobs.filter((blob) => blob.includes(trace) && !isHistory(blob, trace))).toEqual([]);
        expect(blobs.some((blob) => blob.includes('made\n'))).toBe(true);
      },
    );
  },
  [root, address, program('curl'), program('openssl'), program('python3'), program('slirp4netns')],
);

/** The image's own RUN instruction names the variable. */
function isHistory(blob: string, trace: string): boolean {
  return (trace === 'SSL_CERT_FILE' || trace === 'run/slipway') && blob.startsWith('{') && !blob.includes(`"${trace}=`);
}
