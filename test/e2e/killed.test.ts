import { existsSync, readdirSync, readFileSync, watch } from 'node:fs';
import { basename } from 'node:path';
import { expect, it } from 'vitest';
import { validateImage } from '../../src/image/validate.ts';
import { describeForEachUser } from '../rig/each-user.ts';
import { eventually } from '../rig/eventually.ts';
import { addImage, makeImage } from '../rig/image.ts';
import { startRegistry } from '../rig/registry.ts';
import { baseImages, openRig, type Running, type SlipwayRig } from '../rig/slipway.ts';
import { tracesOf } from '../rig/traces.ts';

const LONG_RUN = 'FROM busybox\nARG MARK\nRUN echo "mark $MARK" && mkdir /made && (sleep 1000 & sleep 1000)\n';
/** Does not compress, so that it takes a while to be written. */
const LARGE = 'FROM busybox\nRUN dd if=/dev/urandom of=/large bs=1M count=96 2>/dev/null\n';

const ISOLATIONS = ['oci', 'native'];

function start(rig: SlipwayRig, args: readonly string[]): Running {
  return rig.start([
    'build',
    '--progress=plain',
    '--build-arg',
    `MARK=${basename(rig.folder)}`,
    ...baseImages(),
    ...args,
  ]);
}

async function kill(rig: SlipwayRig, running: Running): Promise<void> {
  running.process.kill('SIGKILL');
  await running.finished;
  await eventually(() => expect(tracesOf(rig)).toEqual([]));
}

/** The store works, and what the killed build left in it is gone. */
async function expectNextBuildWorks(
  rig: SlipwayRig,
  args: readonly string[],
  image = `${rig.folder}/next.tar`,
): Promise<void> {
  await rig.build([...args, '-o', `type=oci,dest=${image}`]);
  expect(await validateImage(image)).toEqual([]);
  expect(readdirSync(`${rig.store}/tmp`)).toEqual([]);
  expect(tracesOf(rig)).toEqual([]);
}

describeForEachUser('a build that is killed', (who) => {
  it.each(ISOLATIONS)(
    'in the middle of a RUN (%s) leaves no mount and no process, and the next build works',
    async (isolation) => {
      using rig = openRig(who);
      const running = start(rig, ['--isolation', isolation, rig.context({ Dockerfile: LONG_RUN })]);
      await running.said(/ mark slipway-e2e-/);
      expect(tracesOf(rig)).not.toEqual([]);
      await kill(rig, running);
      const short = LONG_RUN.replace('(sleep 1000 & sleep 1000)', 'test -d /made');
      await expectNextBuildWorks(rig, [rig.context({ Dockerfile: short })]);
    },
  );

  it('in the middle of a pull uses nothing of it, and the next build pulls it whole', async () => {
    await using registry = await startRegistry();
    const image = makeImage({ layers: [[{ path: 'data', bytes: Buffer.alloc(4_000_000, 'data ') }]] });
    addImage(registry, 'library/slow', 'latest', image);
    const { digest } = image.layers[0] ?? image.config;
    const layer = image.blobs.get(digest) ?? Buffer.alloc(0);
    let isPulling = false;
    registry.intercept(
      new RegExp(`^GET .*/blobs/${digest}`),
      (_request, response) => {
        response.writeHead(200, { 'content-length': layer.length });
        response.write(layer.subarray(0, layer.length / 2));
        isPulling = true;
      },
      1,
    );
    using rig = openRig(who);
    const context = rig.context({ Dockerfile: `FROM ${registry.host}/library/slow\nCOPY Dockerfile /\n` });
    const running = start(rig, ['-o', `type=oci,dest=${rig.folder}/image.tar`, context]);
    await eventually(() => expect(isPulling).toBe(true), { within: 20_000 });
    await kill(rig, running);
    expect(existsSync(`${rig.folder}/image.tar`)).toBe(false);
    await expectNextBuildWorks(rig, [context]);
  });

  it('while layers are compressed leaves no output, and the next build writes it', async () => {
    using rig = openRig(who);
    const context = rig.context({ Dockerfile: LARGE });
    const image = `${rig.folder}/image.tar`;
    await rig.build(['-o', 'type=cacheonly', context]);
    const running = start(rig, ['-o', `type=oci,dest=${image}`, context]);
    await running.said(/exporting/);
    await kill(rig, running);
    expect(existsSync(image)).toBe(false);
    await expectNextBuildWorks(rig, [context], image);
  });

  it('while its output is written leaves the one of before, and the next build leaves no more than its own', async () => {
    using rig = openRig(who);
    const context = rig.context({ Dockerfile: LARGE });
    const output = `${rig.folder}/home/files.tar`;
    await rig.build([
      '-o',
      `type=tar,dest=${output}`,
      rig.context({ Dockerfile: 'FROM scratch\nCOPY Dockerfile /\n' }),
    ]);
    const before = readFileSync(output);
    await rig.build(['-o', 'type=cacheonly', context]);
    const beginning = firstTemporary(`${rig.folder}/home`);
    const running = start(rig, ['-o', `type=tar,dest=${output}`, context]);
    await beginning;
    await kill(rig, running);
    expect(readFileSync(output).equals(before)).toBe(true);
    await rig.build(['-o', `type=tar,dest=${output}`, context]);
    expect(readdirSync(`${rig.folder}/home`).filter((name) => name.includes('files.tar'))).toEqual(['files.tar']);
  });
});

describeForEachUser('a build that is interrupted', (who) => {
  const cases = ISOLATIONS.flatMap((isolation) => [
    { isolation, sender: 'by a signal', group: false },
    { isolation, sender: 'by Ctrl-C, which every process of the terminal gets', group: true },
  ]);
  it.each(cases)('$sender ($isolation) ends with 130 and leaves nothing', async ({ isolation, group }) => {
    using rig = openRig(who);
    const running = start(rig, ['--isolation', isolation, rig.context({ Dockerfile: LONG_RUN })]);
    await running.said(/ mark slipway-e2e-/);
    const began = Date.now();
    process.kill((group ? -1 : 1) * (running.process.pid ?? 0), 'SIGINT');
    const { status, stderr } = await running.finished;
    expect(Date.now() - began).toBeLessThan(2000);
    expect(status).toBe(130);
    expect(stderr).not.toMatch(/unshare:|setpriv:|crun:|runc:|^\s+at /m);
    expect(stderr).toMatch(/^error: interrupted$/m);
    await eventually(() => expect(tracesOf(rig)).toEqual([]), { within: 2000 });
  });
});

/** Resolves as soon as something temporary is in the folder. */
function firstTemporary(folder: string): Promise<void> {
  return new Promise((resolve) => {
    const watcher = watch(folder, (_event, name) => {
      if (name?.endsWith('.tmp') !== true) return;
      watcher.close();
      resolve();
    });
  });
}
