import { readdirSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { availableRungs, newFolder, startRunner } from '../executor/rig/rungs.ts';
import type { StepResult } from '../executor/rig/steps.ts';
import { startSwapping } from './symlink-swapper.ts';

const SWAPS = Number(process.env.SLIPWAY_RACE_ROUNDS ?? 10_000);
const STEPS = 32;
/** In milliseconds: what was swapped until then is counted. */
const LONGEST = 40_000;

test.each(availableRungs())(
  'CVE-2026-41579: $name: a link that comes and goes where a device is made has nothing of the host changed',
  async (rung) => {
    using cache = newFolder(rung);
    using host = newFolder(rung);
    using outside = newFolder(rung);
    writeFileSync(`${host.path}/file`, 'of the host', { mode: 0o600 });
    symlinkSync(`${host.path}/file`, `${outside.path}/link`);
    const state = () => {
      const { mode, uid, size, mtimeMs, ctimeMs } = statSync(`${host.path}/file`);
      return [mode.toString(8), uid, size, mtimeMs, ctimeMs, ...readdirSync(host.path)];
    };
    const before = state();
    await using runner = startRunner(rung);
    await using swapping = await startSwapping(`${cache.path}/null`, `${outside.path}/link`, `${outside.path}/aside`);
    const results: StepResult[] = [];
    for (const end = Date.now() + LONGEST; Date.now() < end; ) {
      if (results.length >= STEPS && swapping.swaps >= SWAPS) break;
      const mount = { type: 'host', source: cache.path, path: '/', target: '/dev', access: 'rw' } as const;
      const security = results.length % 4 === 0 ? 'sandbox' : 'insecure';
      results.push(await runner.run({ args: ['true'], security, mounts: [mount] }));
      // What one step's runtime has made there would be in the way of the next one's.
      rmSync(`${outside.path}/aside`, { force: true });
      await runner.run({ args: ['/bin/sh', '-c', 'rm -rf /c/*; true'], mounts: [{ ...mount, target: '/c' }] });
    }
    expect(swapping.swaps).toBeGreaterThanOrEqual(SWAPS);
    expect(results.length).toBeGreaterThanOrEqual(STEPS);
    expect(state()).toEqual(before);
  },
);
