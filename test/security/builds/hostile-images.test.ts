import { existsSync, readdirSync } from 'node:fs';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { describeForEachUser } from '../../rig/each-user.ts';
import { openRig, type SlipwayRig } from '../../rig/slipway.ts';

const BOUND_MS = 20_000;

describeForEachUser('builds on hostile images', (who) => {
  let rig: SlipwayRig;
  beforeAll(() => {
    rig = openRig(who);
  });
  afterAll(() => rig[Symbol.dispose]());

  /** Why the build was refused, within a bounded time. */
  async function outcome(Dockerfile: string, ...args: readonly string[]): Promise<string> {
    const context = rig.context({ Dockerfile, file: 'x' });
    const start = performance.now();
    const said = await rig.build([...args, context]).then(
      () => 'it was built',
      (error: Error) => error.message,
    );
    expect(performance.now() - start).toBeLessThan(BOUND_MS);
    return said;
  }

  it.each([
    ['GHSA-72x6-4j93-7w86', 'rm -f /etc/passwd; truncate -s 5G /etc/passwd'],
    ['GHSA-72x6-4j93-7w86', 'rm -f /etc/passwd; mkfifo /etc/passwd'],
  ])(
    '%s: after %s neither COPY --chown nor USER reads the users',
    async (_, script) => {
      for (const last of ['COPY --chown=daemon file /file', 'USER daemon\nRUN id']) {
        const said = await outcome(`FROM busybox\nRUN mkdir -p /etc; ${script}\n${last}\n`);
        expect(said).toMatch(/SLIPWAY_USER_(UNKNOWN|FILE_INVALID)/);
      }
    },
    60_000,
  );

  it.each(['/dev/zero', '/proc/1/environ', '../../../../../../etc/passwd', '/proc/self/root/etc/passwd'])(
    "CVE-2024-9676: where /etc/passwd is a symlink to %s, COPY --chown and USER find none of the builder's users",
    async (target) => {
      const image = `FROM busybox\nRUN mkdir -p /etc; ln -sf ${target} /etc/passwd\n`;
      expect(await outcome(`${image}USER daemon\nRUN id\n`)).toContain('SLIPWAY_USER_UNKNOWN');
      // As in BuildKit: root's, in an image that has no list of users.
      const owner = 'test "$(stat -c %u:%g /file)" = 0:0';
      expect(await outcome(`${image}COPY --chown=daemon:daemon file /file\nRUN ${owner}\n`)).toBe('it was built');
    },
    60_000,
  );

  it('CVE-2022-23648: volumes that climb, or are symlinks, reach no file of the host', async () => {
    const victim = rig.context({ file: 'of the host' });
    const output = `${rig.folder}/home/volumes`;
    const context = rig.context({
      Dockerfile: `FROM busybox
RUN ln -s ${victim} /link && mkdir -p ${victim}
VOLUME /../../../../..${victim}
VOLUME ["/link", "../..${victim}", "/link/../link"]
RUN ls -A /link ${victim} /../../..${victim} >/seen; echo x >/link/made
COPY file /link/copied
`,
      file: 'x',
    });
    await rig.build(['-o', `type=local,dest=${output}`, context]);
    expect(readdirSync(victim)).toEqual(['file']);
    expect(readdirSync(`${output}${victim}`).sort()).toEqual(['copied', 'made']);
    expect(existsSync(`${output}${victim}/file`)).toBe(false);
  }, 60_000);

  it.each([
    ['security.insecure', 'RUN --security=insecure true'],
    ['network.host', 'RUN --network=host true'],
    ['device=v/c=d', 'RUN --device=v/c=d,required true'],
  ])(
    'CVE-2024-23653: %s is not given unless it is allowed by name',
    async (entitlement, run) => {
      const others = ['security.insecure', 'network.host', 'device=v/c=other'].filter((name) => name !== entitlement);
      for (const allowed of [[], others.flatMap((name) => ['--allow', name])])
        expect(await outcome(`FROM busybox\n${run}\n`, ...allowed)).toContain('SLIPWAY_ENTITLEMENT_MISSING');
    },
    60_000,
  );
});
