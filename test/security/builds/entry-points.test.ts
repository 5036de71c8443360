import { spawnSync } from 'node:child_process';
import { dirname } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { afterAll, beforeAll, expect, inject, it } from 'vitest';
import { describeForEachUser } from '../../rig/each-user.ts';
import { baseImages, openRig, type SlipwayRig } from '../../rig/slipway.ts';
import { typeInto } from '../../rig/terminal.ts';
import { asUser } from '../../rig/users.ts';

const RIGHTS = [
  ['security.insecure', 'RUN --security=insecure exit 3'],
  ['network.host', 'RUN --network=host exit 3'],
  ['device=v/c=d', 'RUN --device=v/c=d,required exit 3'],
] as const;
const otherThan = (right: string) =>
  ['security.insecure', 'network.host', 'device=v/c=other', 'device=', '*', 'all'].filter((name) => name !== right);

/** Builds by the library, in a program of its own that runs as the rig's user; prints the code and message of the error. */
const LIBRARY = `
const { build } = await import(process.argv[1]);
try {
  const { imageId } = await build(JSON.parse(process.argv[2]));
  console.log('built', imageId);
} catch (error) {
  console.log(error.code, error.message);
}
console.log('still here');
`;

describeForEachUser('what may start a process', (who) => {
  let rig: SlipwayRig;
  beforeAll(() => {
    rig = openRig(who);
  });
  afterAll(() => rig[Symbol.dispose]());

  const dockerfile = (run: string) => rig.context({ Dockerfile: `FROM busybox\n${run}\n` });
  const byLibrary = (request: object): string => {
    const { node, program } = inject('slipway');
    const [, value = ''] = baseImages();
    const whole = { buildContexts: { busybox: value.slice('busybox='.length) }, root: rig.store, ...request };
    const script = ['--input-type=module', '-e', LIBRARY, `${dirname(program)}/index.js`, JSON.stringify(whole)];
    const [command = '', ...args] = who === 'root' ? [node, ...script] : asUser([node, ...script]);
    const env = { PATH: process.env.PATH, HOME: `${rig.folder}/home` };
    const { stdout, stderr } = spawnSync(command, args, { encoding: 'utf8', env, cwd: rig.folder });
    expect(stdout + stderr).toMatch(/still here\n/);
    return stdout;
  };

  it.each(RIGHTS)('CVE-2024-23653: a build is not given %s unless that is allowed by name', async (right, run) => {
    for (const allowed of [
      [],
      otherThan(right).filter((name) => name !== 'device=' && name !== '*' && name !== 'all'),
    ]) {
      const { stderr } = await rig.run([
        'build',
        ...baseImages(),
        ...allowed.flatMap((name) => ['--allow', name]),
        dockerfile(run),
      ]);
      expect(stderr).toContain('SLIPWAY_ENTITLEMENT_MISSING');
    }
  });

  it.each(RIGHTS)('CVE-2024-23653: the library gives no %s unless that is allowed by name', (right, run) => {
    const context = dockerfile(run);
    expect(byLibrary({ context })).toContain('SLIPWAY_ENTITLEMENT_MISSING');
    expect(byLibrary({ context, allow: otherThan(right) })).toMatch(/^SLIPWAY_(ENTITLEMENT_MISSING|OPTION_INVALID)/);
  });

  it('CVE-2024-23653: the library gives no network of the host to all steps at once', () => {
    expect(byLibrary({ context: dockerfile('RUN true'), network: 'host' })).toContain('SLIPWAY_ENTITLEMENT_MISSING');
    expect(byLibrary({ context: dockerfile('RUN true'), network: 'none' })).toContain('built');
  });

  it.each([
    { network: 'HOST' },
    { network: 'host ' },
    { network: '__proto__' },
    { network: 1 },
    { network: null },
    { isolation: 'none' },
    { isolation: 'toString' },
    { isolation: '' },
  ])('GHSA-7236-3392-c5c6: the library takes no unknown mode: %j', (request) => {
    const everything = ['network.host', 'security.insecure', 'device'];
    expect(byLibrary({ context: dockerfile('RUN true'), allow: everything, ...request })).toMatch(
      /^(SLIPWAY_|undefined internal: )/,
    );
  });

  it('CVE-2024-23653, GHSA-7236-3392-c5c6: nor does slipway shell, whatever the store says of the step', async () => {
    const { stderr } = await rig.run(['build', ...baseImages(), dockerfile('RUN exit 3')]);
    expect(stderr).toMatch(/slipway shell --root \S+ @last/);
    const forge = (change: object) => {
      using database = new DatabaseSync(`${rig.store}/slipway.db`);
      const row = database.prepare('SELECT id, step FROM failed_steps').get() as { id: string; step: string };
      const step = JSON.parse(row.step) as { process: object };
      const forged = {
        ...step,
        process: { ...step.process, security: 'sandbox', network: 'none', devices: [], ...change },
      };
      database.prepare('UPDATE failed_steps SET step = ? WHERE id = ?').run(JSON.stringify(forged), row.id);
    };
    for (const [change, answer] of [
      [{ security: 'insecure' }, 'SLIPWAY_ENTITLEMENT_MISSING'],
      [{ network: 'host' }, 'SLIPWAY_ENTITLEMENT_MISSING'],
      [{ devices: ['v/c=d'] }, 'SLIPWAY_ENTITLEMENT_MISSING'],
      [{ security: 'none' }, 'unknown mode'],
      [{ network: '__proto__' }, 'unknown mode'],
      [{ security: undefined }, 'unknown mode'],
    ] as const) {
      forge(change);
      expect(typeInto(rig, ['shell'], []), JSON.stringify(change)).toContain(answer);
    }
    const allowed = ['--allow=security.insecure', '--allow=network.host', '--allow=device'];
    forge({ security: 'INSECURE' });
    expect(typeInto(rig, ['shell', ...allowed], [])).toContain('unknown mode');
  });
});
