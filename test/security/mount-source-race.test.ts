import { closeSync, mkdirSync, openSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { setImmediate } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { errnoOf } from '../../src/core/errors.ts';
import { containerSyscalls } from '../../src/executor/container-syscalls.ts';
import { availableRungs, newFolder, startRunner } from '../executor/rig/rungs.ts';
import type { StepResult } from '../executor/rig/steps.ts';
import { startSwapping } from './symlink-swapper.ts';

const ROUNDS = Number(process.env.SLIPWAY_RACE_ROUNDS ?? 10_000);
/** Of each race; what was swapped in it is counted, not timed. */
const LONGEST_MS = 30_000;
const STEPS = 25;
const HOST = 'of the host';

/** A folder that a cache mount may show, with `d` in it that is swapped for a symlink to the host's `victim`. */
function swappedCache(base: string) {
  const [shared, victim] = [`${base}/shared`, `${base}/victim`];
  for (const folder of [`${shared}/d`, victim]) mkdirSync(folder, { recursive: true });
  writeFileSync(`${shared}/d/file`, 'of the cache');
  writeFileSync(`${victim}/file`, HOST);
  symlinkSync(victim, `${base}/link`);
  return { shared, swap: () => startSwapping(`${shared}/d`, `${base}/link`, `${base}/aside`) };
}

const rungs = availableRungs();
const [anyRung] = rungs;

test.skipIf(anyRung === undefined)(
  'CVE-2024-23651: a source swapped for a symlink thousands of times is never found on the host',
  async () => {
    if (anyRung === undefined) return;
    using base = newFolder(anyRung);
    const { shared, swap } = swappedCache(base.path);
    const outcomes = new Map<string, number>();
    await using swapping = await swap();
    const end = Date.now() + LONGEST_MS;
    for (let round = 0; (round < ROUNDS || swapping.swaps < ROUNDS) && Date.now() < end; round++) {
      const outcome = readSource(shared, '/d/file');
      outcomes.set(outcome, (outcomes.get(outcome) ?? 0) + 1);
      if (round % 100 === 0) await setImmediate();
    }
    expect([...outcomes.keys()].filter((outcome) => !/^(of the cache|ENOENT|EAGAIN)$/.test(outcome))).toEqual([]);
    // Both sides had their turns.
    expect(swapping.swaps).toBeGreaterThanOrEqual(ROUNDS);
    expect(outcomes.get('of the cache')).toBeGreaterThan(10);
    expect(outcomes.get('ENOENT')).toBeGreaterThan(10);
  },
);

function readSource(root: string, path: string): string {
  try {
    const place = containerSyscalls().openInRoot(root, Buffer.from(path));
    const file = openSync(`/proc/self/fd/${place}`, 'r');
    closeSync(place);
    try {
      return readFileSync(file, 'utf8');
    } finally {
      closeSync(file);
    }
  } catch (error) {
    return errnoOf(error) ?? String(error);
  }
}

test.each(rungs)('CVE-2024-23651: $name mounts no source that is swapped for a symlink meanwhile', async (rung) => {
  using base = newFolder(rung);
  const { shared, swap } = swappedCache(base.path);
  await using runner = startRunner(rung);
  const results: StepResult[] = [];
  {
    await using swapping = await swap();
    const end = Date.now() + LONGEST_MS;
    while ((results.length < STEPS || swapping.swaps < ROUNDS) && Date.now() < end)
      results.push(
        await runner.run({
          args: ['cat', '/m/file'],
          mounts: [{ type: 'host', source: shared, path: '/d', target: '/m', access: 'rw' }],
        }),
      );
    expect(swapping.swaps).toBeGreaterThanOrEqual(ROUNDS);
  }
  expect(results.length).toBeGreaterThanOrEqual(STEPS);
  const outcomes = results.map(({ stdout, error }) => error?.code ?? stdout);
  expect(outcomes.filter((outcome) => !/^(of the cache|SLIPWAY_MOUNT_SOURCE_MISSING)$/.test(outcome))).toEqual([]);
});
