import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { describeForEachUser } from '../rig/each-user.ts';
import { root } from '../rig/requirements.ts';
import { baseImages, openRig, type SlipwayRig } from '../rig/slipway.ts';

const KIND = 'slipway.test/device';
const SPECIFICATION = '/etc/cdi/slipway-test.json';
const RUNTIMES = [['crun'], ['runc'], ['native']];
const SHOW =
  'stat -c "%F %t:%T" /dev/given /dev/other; echo "of the edits: $GIVEN"; echo x >/dev/given && echo written';

describeForEachUser(
  'devices of steps',
  (who) => {
    let rig: SlipwayRig;
    let made: string | undefined;
    beforeAll(() => {
      rig = openRig(who);
      made = mkdirSync('/etc/cdi', { recursive: true });
      const device = (name: string, path: string) => ({
        name,
        containerEdits: { deviceNodes: [{ path, hostPath: '/dev/null' }] },
      });
      const devices = [device('given', '/dev/given'), device('other', '/dev/other')];
      writeFileSync(
        SPECIFICATION,
        JSON.stringify({ cdiVersion: '0.6.0', kind: KIND, containerEdits: { env: ['GIVEN=yes'] }, devices }),
      );
    });
    afterAll(() => {
      rig[Symbol.dispose]();
      rmSync(SPECIFICATION, { force: true });
      if (made !== undefined) rmSync(made, { recursive: true });
    });

    const isolation = (runtime: string) =>
      runtime === 'native' ? ['--isolation=native'] : ['--isolation=oci', `--oci-runtime=${runtime}`];
    const run = (runtime: string, flags: string, ...allowed: readonly string[]) => {
      const context = rig.context({
        Dockerfile: `FROM busybox\nUSER 1000\nRUN ${flags} ${SHOW}; true\nRUN ${SHOW}; true\n`,
      });
      const allow = allowed.flatMap((name) => ['--allow', name]);
      return rig.run([
        'build',
        '--no-cache',
        '--progress=plain',
        ...isolation(runtime),
        ...baseImages(),
        ...allow,
        context,
      ]);
    };
    const count = (text: string, pattern: RegExp) => text.match(pattern)?.length ?? 0;

    it.each(RUNTIMES)(
      'are those that are asked for and allowed, for that step alone and also for another user (%s)',
      async (runtime) => {
        const { status, stderr } = await run(runtime, `--device=${KIND}=given,required`, `device=${KIND}=given`);
        expect(status, stderr).toBe(0);
        expect(count(stderr, / character special file 1:3$/gm)).toBe(1);
        expect(count(stderr, / of the edits: yes$/gm)).toBe(1);
        expect(count(stderr, / written$/gm)).toBe(1);
      },
    );

    it.each(RUNTIMES)(
      'are refused where the machine has one that is not allowed, though the step could do without (%s)',
      async (runtime) => {
        const { status, stderr } = await run(runtime, `--device=${KIND}=given`, `device=${KIND}=other`);
        expect([status, stderr]).toEqual([1, expect.stringContaining(`needs the entitlement device=${KIND}=given`)]);
      },
    );

    it.each(RUNTIMES)('are none that the machine lacks (%s)', async (runtime) => {
      const { status, stderr } = await run(runtime, `--device=${KIND}=nothing`, 'device');
      expect(status, stderr).toBe(0);
      expect(stderr).not.toContain('character special file');
      const required = await run(runtime, `--device=${KIND}=nothing,required`, 'device');
      expect(required.stderr).toContain('[SLIPWAY_DEVICE_UNKNOWN]');
    });
  },
  [root],
);
