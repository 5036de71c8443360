import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { openRig, type SlipwayRig } from '../../rig/slipway.ts';
import { describeForEachIsolation } from './each-isolation.ts';

/** Steps that mount what is swapped. */
const STEPS = 25;
/** How often it is swapped at least, in all of these steps. */
const SWAPS = 3_000;

/**
 * The source is a symlink all the time, to one folder or the other: replacing it is atomic, so that no step finds nothing and fails. The
 * cache has the host's path too, with a file of its own. Ends with the other's last step, and after a minute at the latest.
 */
const swapUntilDone = (victim: string, cache: string) => `
  : ${cache}
  mkdir -p /c${victim} /c/real; echo cache >/c${victim}/file; echo cache >/c/real/file
  ln -s real /c/d; touch /c/ready; n=0
  end=$(($(date +%s) + 60)); while [ ! -e /c/done ] && [ $(date +%s) -lt $end ]; do for i in 0 1 2 3 4 5 6 7 8 9; do
    ln -s ${victim} /c/l; mv -T /c/l /c/d; ln -s ../../../../../../..${victim} /c/l; mv -T /c/l /c/d
    ln -s real /c/l; mv -T /c/l /c/d; done; n=$((n + 30)); echo $n >/c/count; done; echo $n >/swaps`;

/** Each step waits until its share of the swaps was done. */
const stepAmongSwaps = (step: number, cache: string) =>
  `RUN --mount=type=cache,id=${cache},source=d,target=/m --mount=type=cache,id=${cache},target=/c \\
  cat /m/file >>/seen; for n in $(seq 2000); do [ $(cat /c/count) -ge ${(step + 1) * (SWAPS / STEPS)} ] && break; usleep 5000; done`;

const dockerfile = (victim: string, cache: string) => `
FROM busybox AS attacker
RUN --mount=type=cache,id=${cache},target=/c <<'END'
${swapUntilDone(victim, cache)}
END
FROM busybox AS builder
RUN --mount=type=cache,id=${cache},target=/c : ${cache}; for n in $(seq 1000); do [ -e /c/ready ] || usleep 10000; done
${Array.from({ length: STEPS }, (_, step) => stepAmongSwaps(step, cache)).join('\n')}
RUN --mount=type=cache,id=${cache},target=/c touch /c/done
FROM scratch AS both
COPY --from=attacker /swaps /swaps
COPY --from=builder /seen /seen
`;

describeForEachIsolation('a cache that is swapped under its users', (who, isolation) => {
  let rig: SlipwayRig;
  let victim: string;
  beforeAll(() => {
    rig = openRig(who);
    victim = rig.context({ file: 'of the host' });
  });
  afterAll(() => rig[Symbol.dispose]());
  const fileOf = (output: string, name: string) => readFileSync(`${rig.folder}/home/${output}/${name}`, 'utf8');
  const buildTarget = (context: string, target: string, output: string) => {
    const destination = `type=local,dest=${rig.folder}/home/${output}`;
    return rig.build([`--isolation=${isolation}`, '--target', target, '-o', destination, context]);
  };
  const allOfTheCache = 'cache\n'.repeat(STEPS);

  it('CVE-2024-23651: shows no file of the host to another step of the build', async () => {
    await buildTarget(rig.context({ Dockerfile: dockerfile(victim, 'one') }), 'both', 'one');
    expect(fileOf('one', 'seen')).toBe(allOfTheCache);
    expect(Number(fileOf('one', 'swaps'))).toBeGreaterThanOrEqual(SWAPS);
  });

  it('CVE-2024-11218: shows no file of the host to a step of another build', async () => {
    const context = rig.context({ Dockerfile: dockerfile(victim, 'two') });
    await Promise.all([buildTarget(context, 'attacker', 'attacker'), buildTarget(context, 'builder', 'builder')]);
    expect(fileOf('builder', 'seen')).toBe(allOfTheCache);
    expect(Number(fileOf('attacker', 'swaps'))).toBeGreaterThanOrEqual(SWAPS);
  });
});
