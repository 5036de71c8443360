import { expect, test } from 'vitest';
import { attemptConversion } from '../../../frontend/convert/convert.ts';
import { fakeImages, requestFor } from '../../rig/frontend.ts';
import { LARGE_DOCKERFILES } from '../../rig/large-dockerfiles.ts';

/** Runs whose fastest counts: others use the machine too. */
const RUNS = 3;
const SMALL = 500;
const TIMES = 8;

/** CPU time of the fastest of a few runs. */
async function cost(text: string): Promise<number> {
  let least = Number.POSITIVE_INFINITY;
  for (let run = 0; run < RUNS; run++) {
    const before = process.cpuUsage();
    const conversion = await attemptConversion(requestFor(text), fakeImages(), new AbortController().signal);
    const { user, system } = process.cpuUsage(before);
    if ('error' in conversion) throw conversion.error;
    least = Math.min(least, user + system);
  }
  return least;
}

test.each(Object.entries(LARGE_DOCKERFILES))('%s costs in proportion to its length', async (_name, write) => {
  await cost(write(SMALL));
  const ratio = (await cost(write(SMALL * TIMES))) / (await cost(write(SMALL)));
  // Quadratic work would cost 64 times as much.
  expect(ratio).toBeLessThan(TIMES * 3);
});
