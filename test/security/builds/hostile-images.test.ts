import { existsSync, lstatSync, readdirSync, readFileSync } from 'node:fs';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { openRig, type SlipwayRig } from '../../rig/slipway.ts';
import { tarOf } from '../../rig/tar.ts';
import { describeForEachIsolation } from './each-isolation.ts';

/** What tools and instructions write to or look into. Not /tmp, over which these tests' own paths lead. */
const PLACES = ['etc', 'srv', 'work', 'opt', 'var', 'home', 'root'];

describeForEachIsolation('builds on hostile images', (who, isolation) => {
  let rig: SlipwayRig;
  beforeAll(() => {
    rig = openRig(who);
  });
  afterAll(() => rig[Symbol.dispose]());

  /** Why the build was refused. */
  function outcome(Dockerfile: string, ...args: readonly string[]): Promise<string> {
    const context = rig.context({ Dockerfile, file: 'x' });
    return rig.build([`--isolation=${isolation}`, ...args, context]).then(
      () => 'it was built',
      (error: Error) => error.message,
    );
  }

  it.each([
    ['GHSA-72x6-4j93-7w86', 'rm -f /etc/passwd; truncate -s 5G /etc/passwd'],
    ['GHSA-72x6-4j93-7w86, 9cdf642', 'rm -f /etc/passwd; mkfifo /etc/passwd'],
  ])('%s: after %s neither COPY --chown nor USER reads the users', async (_, script) => {
    for (const last of ['COPY --chown=daemon file /file', 'USER daemon\nRUN id']) {
      const said = await outcome(`FROM busybox\nRUN mkdir -p /etc; ${script}\n${last}\n`);
      expect(said).toMatch(/SLIPWAY_USER_(UNKNOWN|FILE_INVALID)/);
    }
  });

  it.each(['/dev/zero', '/proc/1/environ', '../../../../../../etc/passwd', '/proc/self/root/etc/passwd'])(
    "CVE-2024-9676: where /etc/passwd is a symlink to %s, COPY --chown and USER find none of the builder's users",
    async (target) => {
      const image = `FROM busybox\nRUN mkdir -p /etc; ln -sf ${target} /etc/passwd\n`;
      expect(await outcome(`${image}USER daemon\nRUN id\n`)).toContain('SLIPWAY_USER_UNKNOWN');
      // As in BuildKit: root's, in an image that has no list of users.
      const owner = 'test "$(stat -c %u:%g /file)" = 0:0';
      expect(await outcome(`${image}COPY --chown=daemon:daemon file /file\nRUN ${owner}\n`)).toBe('it was built');
    },
  );

  it('9cdf642: fifos in the place of what is copied, mounted or a seed are not waited for', async () => {
    const image = 'FROM busybox AS pipes\nRUN mkdir /d; mkfifo /fifo /d/fifo\nFROM busybox\n';
    const fifo = (path: string) => `RUN test -p ${path}\n`;
    for (const [instruction, expected] of [
      [`COPY --from=pipes /fifo /copied\n${fifo('/copied')}`, 'it was built'],
      [`COPY --from=pipes /d /folder/\n${fifo('/folder/fifo')}`, 'it was built'],
      ['RUN --mount=from=pipes,source=/d,target=/m test -p /m/fifo\n', 'it was built'],
      ['RUN --mount=from=pipes,source=/fifo,target=/m test -p /m\n', 'it was built'],
      ['RUN --mount=type=cache,from=pipes,source=/d,target=/m test -p /m/fifo\n', 'it was built'],
      ['RUN --mount=type=cache,from=pipes,source=/fifo,target=/m true\n', expect.any(String)],
    ] as const)
      expect(await outcome(image + instruction), instruction).toEqual(expected);
  });

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
    await rig.build([`--isolation=${isolation}`, '-o', `type=local,dest=${output}`, context]);
    expect(readdirSync(victim)).toEqual(['file']);
    expect(readdirSync(`${output}${victim}`).sort()).toEqual(['copied', 'made']);
    expect(existsSync(`${output}${victim}/file`)).toBe(false);
  });

  it('symlinks that lead to the host are followed inside of the image, whatever the instruction', async () => {
    const victim = rig.context({ passwd: 'daemon:x:7:7::/:\n', file: 'of the host', 'folder/file': 'of the host' });
    const before = stateOf(victim);
    const links = PLACES.map((path) => ({ path, type: 'symlink', target: `../../../..${victim}` }) as const);
    const output = `${rig.folder}/home/linked-${isolation}`;
    const each = (instruction: (place: string) => string) => PLACES.map((place) => instruction(`/${place}`)).join('\n');
    const context = rig.context({
      Dockerfile: `FROM busybox AS busybox
FROM scratch AS hostile
COPY --from=busybox /bin /bin
ADD links.tar /
ENV PATH=/bin
FROM hostile AS all
${each((place) => `COPY file ${place}/copied\nADD file ${place}/added\nCOPY --chown=3:4 --chmod=600 folder ${place}/`)}
ADD more.tar /work/unpacked/
RUN --mount=type=tmpfs,target=/opt/memory --mount=type=cache,target=/var/cache --mount=type=secret,id=s,target=/etc/s \\
    echo made >/work/by-run; cat /opt/file /etc/passwd 2>/dev/null >/seen; rm -rf /srv/folder
WORKDIR /home/made/deep
VOLUME /root
FROM scratch
COPY --from=all / /in
COPY --from=all /opt/copied /etc/passw[d] /one/
`,
      file: 'x',
      'folder/inner': 'y',
      'links.tar': tarOf(...links),
      'more.tar': tarOf({ path: 'in/', mode: 0o755 }, { path: 'in/file', text: 'z' }),
    });
    await rig.build([`--isolation=${isolation}`, '-o', `type=local,dest=${output}`, context]);
    expect(stateOf(victim)).toEqual(before);
    expect(readFileSync(`${output}/in/seen`, 'utf8')).toBe('');
    expect(readdirSync(`${output}/one`)).toEqual(['copied']);
    expect(readdirSync(`${output}/in${victim}`)).toEqual(
      expect.arrayContaining(['added', 'by-run', 'copied', 'inner', 'made', 'unpacked']),
    );
    expect(readdirSync(`${output}/in${victim}`)).not.toContain('passwd');
  });
});

function stateOf(folder: string): string[] {
  return readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .sort()
    .map((name) => {
      const { mode, uid, size, nlink, ctimeMs } = lstatSync(`${folder}/${name}`);
      return [name, mode.toString(8), uid, size, nlink, ctimeMs].join(' ');
    });
}
