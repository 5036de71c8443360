import { chmodSync, mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { availableRungs, newFolder, startRunner } from '../executor/rig/rungs.ts';
import type { MountRequest, StepResult } from '../executor/rig/steps.ts';
import { hasHole } from './installed-runc.ts';
import { startExchanging } from './symlink-swapper.ts';

const SWAPS = Number(process.env.SLIPWAY_RACE_ROUNDS ?? 10_000);
const STEPS = 25;
/** Each costs a shell six processes. */
const SWAPS_BY_STEP = 500;
const STEPS_AMONG_STEPS = 8;
/** In milliseconds: what was swapped until then is counted. */
const LONGEST = 40_000;

const look = ['/bin/sh', '-c', 'cat /c/t/secret; ls /c/t/below; echo changed >/c/t/made; true'];
const targetsBelow = (cache: MountRequest): readonly MountRequest[] => [
  cache,
  { type: 'tmpfs', target: '/c/t/below/deep' },
  { type: 'secret', target: '/c/t/file', text: 'of the build', uid: 0, mode: 0o600 },
];

for (const rung of availableRungs().filter((found) => !hasHole(found, 'CVE-2024-45310', '1.1.14'))) {
  /** A folder that steps share, and one of the host that they must not reach. */
  const places = () => {
    const [shared, victim] = [newFolder(rung), newFolder(rung)];
    chmodSync(victim.path, 0o777);
    writeFileSync(`${victim.path}/secret`, 'of the host', { mode: 0o666 });
    const cache: MountRequest = { type: 'host', source: shared.path, target: '/c', path: '/', access: 'rw' };
    return {
      shared,
      victim,
      cache,
      [Symbol.dispose]: () => [shared, victim].forEach((at) => void at[Symbol.dispose]()),
    };
  };
  const expectUntouched = (victim: string, results: readonly StepResult[]) => {
    expect(readdirSync(victim)).toEqual(['secret']);
    expect(readFileSync(`${victim}/secret`, 'utf8')).toBe('of the host');
    expect(results.filter(({ stdout }) => stdout.includes('of the host'))).toEqual([]);
    for (const { error } of results) if (error !== undefined) expect(error.code).toMatch(/^SLIPWAY_RUN/);
  };

  test(`CVE-2021-30465, CVE-2019-19921, CVE-2024-45310: ${rung.name}: a mount target that is swapped for a symlink thousands of times reaches nothing of the host`, async () => {
    using at = places();
    using outside = newFolder(rung);
    mkdirSync(`${at.shared.path}/t`, { mode: 0o777 });
    chmodSync(`${at.shared.path}/t`, 0o777);
    symlinkSync(at.victim.path, `${outside.path}/link`);
    await using builder = startRunner(rung);
    await using swapping = await startExchanging(`${at.shared.path}/t`, `${outside.path}/link`);
    const results: StepResult[] = [];
    for (const end = Date.now() + LONGEST; Date.now() < end; ) {
      if (results.length >= STEPS && swapping.swaps >= SWAPS) break;
      results.push(await builder.run({ args: look, mounts: targetsBelow(at.cache) }));
    }
    expect(results.length).toBeGreaterThanOrEqual(STEPS);
    expect(swapping.swaps).toBeGreaterThanOrEqual(SWAPS);
    // Both were there: what is mounted below a folder is in it, and what is mounted below the link is elsewhere.
    expect(results.some(({ error }) => error === undefined)).toBe(true);
    expectUntouched(at.victim.path, results);
  });

  test(`CVE-2021-30465, CVE-2024-45310: ${rung.name}: nor does one that another step swaps`, async () => {
    using at = places();
    await using attacker = startRunner(rung);
    await using builder = startRunner(rung);
    const attack = attacker.run({ args: ['/bin/sh', '-c', swapping(at.victim.path)], mounts: [at.cache] });
    const results: StepResult[] = [];
    while (results.length < STEPS_AMONG_STEPS)
      results.push(await builder.run({ args: look, mounts: targetsBelow(at.cache) }));
    writeFileSync(`${at.shared.path}/done`, '');
    expect(Number((await attack).stdout)).toBeGreaterThanOrEqual(SWAPS_BY_STEP);
    expectUntouched(at.victim.path, results);
  });
}

function swapping(target: string): string {
  return `
    n=0; cd /c
    while [ ! -e done ] || [ $n -lt ${SWAPS_BY_STEP} ]; do
      mkdir d; mv -T d t 2>/dev/null; ln -s ${target} l 2>/dev/null; mv t old 2>/dev/null; mv -T l t 2>/dev/null
      rm -rf t old d l 2>/dev/null; n=$((n + 1)); done; echo $n`;
}
