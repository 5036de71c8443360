import { writeFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { describeForEachUser } from '../rig/each-user.ts';
import { cachedSteps } from '../rig/plain-progress.ts';
import { openRig, type SlipwayRig } from '../rig/slipway.ts';

const APP = {
  Dockerfile: `FROM busybox AS packages
WORKDIR /app
COPY package.json ./
RUN echo installed > packages
FROM packages
COPY src src
RUN cat src/main > built
`,
  'package.json': '{}',
  'src/main': 'main',
  'README.md': 'read me',
};

async function steps(rig: SlipwayRig, args: readonly string[]): Promise<Record<string, boolean>> {
  const { stderr } = await rig.build(['-o', 'type=cacheonly', ...args]);
  return cachedSteps(stderr);
}

describeForEachUser('a second build', (who) => {
  it('runs every step once, and none when nothing changed', async () => {
    using rig = openRig(who);
    const context = rig.context(APP);
    const first = await steps(rig, [context]);
    expect(Object.keys(first)).toContain('RUN cat src/main > built');
    expect(first['RUN echo installed > packages']).toBe(false);
    expect(first['RUN cat src/main > built']).toBe(false);
    const { 'FROM busybox': _base, ...second } = await steps(rig, [context]);
    expect(new Set(Object.values(second))).toEqual(new Set([true]));
  });

  it('runs nothing when a file changed that no COPY reads', async () => {
    using rig = openRig(who);
    const context = rig.context(APP);
    await steps(rig, [context]);
    writeFileSync(`${context}/README.md`, 'changed');
    const after = await steps(rig, [context]);
    expect(after['RUN echo installed > packages']).toBe(true);
    expect(after['RUN cat src/main > built']).toBe(true);
  });

  it('runs only what lies behind the COPY whose files changed', async () => {
    using rig = openRig(who);
    const context = rig.context(APP);
    await steps(rig, [context]);
    writeFileSync(`${context}/src/main`, 'changed');
    const after = await steps(rig, [context]);
    expect(after['RUN echo installed > packages']).toBe(true);
    expect(after['COPY src src']).toBe(false);
    expect(after['RUN cat src/main > built']).toBe(false);
  });

  it('runs everything with --no-cache, and one stage with --no-cache-filter', async () => {
    using rig = openRig(who);
    const context = rig.context(APP);
    await steps(rig, [context]);
    const none = await steps(rig, ['--no-cache', context]);
    expect(none['RUN echo installed > packages']).toBe(false);
    const filtered = await steps(rig, ['--no-cache-filter', 'packages', context]);
    expect(filtered['RUN echo installed > packages']).toBe(false);
  });
});
