import { existsSync } from 'node:fs';
import { expect, it } from 'vitest';
import { describeForEachUser } from '../rig/each-user.ts';
import { openRig, type SlipwayRig } from '../rig/slipway.ts';

const DOCKERFILE = `FROM busybox AS tools
RUN --mount=type=cache,target=/cache date > /cache/last && echo tool > /tool
FROM busybox
WORKDIR /app
COPY --from=tools /tool /bin/tool
COPY . .
RUN cat /bin/tool text > joined
`;

describeForEachUser('slipway prune', (who) => {
  const files = { Dockerfile: DOCKERFILE, text: 'text' };

  it('frees the store, after which a build makes everything again', { timeout: 60_000 }, async () => {
    using rig = openRig(who);
    const context = rig.context(files);
    await rig.build(['-t', 'app', context]);
    expect((await rig.build([context])).stderr).toContain('CACHED');
    const pruned = await rig.run(['prune', '--force']);
    expect(pruned).toMatchObject({ status: 0, stderr: '' });
    expect(pruned.stdout.toString()).toMatch(/^removed: \d+ results, \d+ layers.*, 1 cache mount\nfreed: \d/);
    const again = await rig.build(['-t', 'app', '-o', `type=local,dest=${rig.folder}/out`, context]);
    expect(again.stderr).not.toContain('CACHED');
    expect(existsSync(`${rig.folder}/out/app/joined`)).toBe(true);
  });

  it('keeps an image whole, and removes it with --all', { timeout: 60_000 }, async () => {
    using rig = openRig(who);
    await rig.build(['-t', 'app', rig.context(files)]);
    await rig.run(['prune', '--force']);
    const from = rig.context({ Dockerfile: 'FROM app\nRUN cat /app/joined\n' });
    expect((await rig.build([from])).stderr).toContain('tool');
    const all = await rig.run(['prune', '--force', '--all']);
    expect(all.stdout.toString()).toMatch(/^removed: \d+ images?/);
    expect((await rig.run(['prune', '--force', '--all'])).stdout.toString()).toBe('removed: nothing\nfreed: 0B\n');
  });

  it('asks, and understands what it is told', async () => {
    using rig = openRig(who);
    expect(await rig.run(['prune'])).toMatchObject({
      status: 1,
      stderr: expect.stringContaining('SLIPWAY_CONFIRMATION_MISSING'),
    });
    for (const wrong of [['--filter=label=x'], ['--filter=until=soon'], ['--all', '--keep-storage=1g'], ['all']])
      expect(await rig.run(['prune', '-f', ...wrong])).toMatchObject({ status: 2 });
    expect(await rig.run(['prune', '-f', '--filter', 'until=30d'])).toMatchObject({ status: 0 });
  });

  it('lets builds that run at the same time go on, and others prune', { timeout: 120_000 }, async () => {
    using rig = openRig(who);
    let isOver = false;
    const pruneUntilOver = async () => {
      let count = 0;
      for (; !isOver; count++) expect(await rig.run(['prune', '--force'])).toMatchObject({ status: 0, stderr: '' });
      return count;
    };
    const pruning = [pruneUntilOver(), pruneUntilOver()];
    await Promise.all([buildAgainAndAgain(rig, 'one'), buildAgainAndAgain(rig, 'two')]);
    isOver = true;
    for (const count of await Promise.all(pruning)) expect(count).toBeGreaterThan(2);
  });

  /** Mostly from the cache, with a step that differs. */
  async function buildAgainAndAgain(rig: SlipwayRig, name: string): Promise<void> {
    for (let round = 0; round < 6; round++) {
      const context = rig.context({ ...files, text: `${name} ${round >> 1}` });
      await rig.build(['-t', name, '-o', `type=tar,dest=${rig.folder}/${name}.tar`, context]);
    }
  }
});
