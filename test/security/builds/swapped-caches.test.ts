import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { describeForEachUser } from '../../rig/each-user.ts';
import { openRig, type SlipwayRig } from '../../rig/slipway.ts';

const STEPS = 25;

/**
 * The source is a symlink all the time, to one folder or the other: replacing it is atomic, so that no step finds nothing and fails. The
 * cache has the host's path too, with a file of its own.
 */
const swapUntilDone = (victim: string, cache: string) => `
  : ${cache}
  mkdir -p /c${victim} /c/real; echo cache >/c${victim}/file; echo cache >/c/real/file
  ln -s real /c/d; touch /c/ready; n=0
  end=$(($(date +%s) + 30)); while [ ! -e /c/done ] && [ $(date +%s) -lt $end ]; do
    ln -s ${victim} /c/l; mv -T /c/l /c/d; ln -s ../../../../../../..${victim} /c/l; mv -T /c/l /c/d
    ln -s real /c/l; mv -T /c/l /c/d; n=$((n + 3)); done; echo $n >/swaps`;

const dockerfile = (victim: string, cache: string) => `
FROM busybox AS attacker
RUN --mount=type=cache,id=${cache},target=/c <<'END'
${swapUntilDone(victim, cache)}
END
FROM busybox AS builder
RUN --mount=type=cache,id=${cache},target=/c : ${cache}; for n in $(seq 1000); do [ -e /c/ready ] || usleep 10000; done
${Array.from({ length: STEPS }, (_, step) => `RUN --mount=type=cache,id=${cache},source=d,target=/m echo ${step}; cat /m/file >>/seen`).join('\n')}
RUN --mount=type=cache,id=${cache},target=/c touch /c/done
FROM scratch AS both
COPY --from=attacker /swaps /swaps
COPY --from=builder /seen /seen
`;

describeForEachUser('a cache that is swapped under its users', (who) => {
  let rig: SlipwayRig;
  let victim: string;
  beforeAll(() => {
    rig = openRig(who);
    victim = rig.context({ file: 'of the host' });
  });
  afterAll(() => rig[Symbol.dispose]());
  const fileOf = (output: string, name: string) => readFileSync(`${rig.folder}/home/${output}/${name}`, 'utf8');
  const buildTarget = (context: string, target: string, output: string) =>
    rig.build(['--target', target, '-o', `type=local,dest=${rig.folder}/home/${output}`, context]);
  const allOfTheCache = 'cache\n'.repeat(STEPS);

  it('CVE-2024-23651: shows no file of the host to another step of the build', async () => {
    await buildTarget(rig.context({ Dockerfile: dockerfile(victim, 'one') }), 'both', 'one');
    expect(fileOf('one', 'seen')).toBe(allOfTheCache);
    expect(Number(fileOf('one', 'swaps'))).toBeGreaterThan(30);
  }, 60_000);

  it('CVE-2024-11218: shows no file of the host to a step of another build', async () => {
    const context = rig.context({ Dockerfile: dockerfile(victim, 'two') });
    await Promise.all([buildTarget(context, 'attacker', 'attacker'), buildTarget(context, 'builder', 'builder')]);
    expect(fileOf('builder', 'seen')).toBe(allOfTheCache);
    expect(Number(fileOf('attacker', 'swaps'))).toBeGreaterThan(30);
  }, 60_000);
});
