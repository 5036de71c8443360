import { mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { availableRungs, newFolder, startRunner } from '../executor/rig/rungs.ts';
import type { MountRequest } from '../executor/rig/steps.ts';

const ATTACK_SECONDS = 4;

/**
 * CVE-2021-30465, CVE-2019-19921, CVE-2024-45310: one step swaps a folder of a mount that it shares with others for a symlink,
 * again and again, while others are started with mounts below that folder.
 */
test.each(availableRungs())('$name: a mount target swapped for a symlink reaches nothing of the host', async (rung) => {
  using shared = newFolder(rung);
  using victim = newFolder(rung);
  mkdirSync(`${victim.path}/below`, { mode: 0o777 });
  writeFileSync(`${victim.path}/secret`, 'of the host', { mode: 0o666 });
  await using attacker = startRunner(rung);
  await using builder = startRunner(rung);
  const cache: MountRequest = { type: 'host', source: shared.path, target: '/c', path: '/', access: 'rw' };

  const attack = attacker.run({
    args: ['/bin/sh', '-c', swapping(victim.path)],
    mounts: [cache],
  });
  let isOver = false;
  const over = attack.then(() => {
    isOver = true;
  });
  const results = [];
  while (!isOver) {
    results.push(
      await builder.run({
        args: ['/bin/sh', '-c', 'cat /c/t/secret; ls /c/t/below; echo changed >/c/t/secret; mkdir /c/t/made; true'],
        mounts: [
          cache,
          { type: 'tmpfs', target: '/c/t/below' },
          { type: 'secret', target: '/c/t/secret', text: 'of the build', uid: 0, mode: 0o600 },
        ],
      }),
    );
  }
  await over;

  expect(results.length).toBeGreaterThan(3);
  expect(Number((await attack).stdout)).toBeGreaterThan(1000);
  expect(readdirSync(victim.path).sort()).toEqual(['below', 'secret']);
  expect(readdirSync(`${victim.path}/below`)).toEqual([]);
  expect(results.filter(({ stdout }) => stdout.includes('of the host'))).toEqual([]);
  for (const { error } of results) if (error !== undefined) expect(error.code).toMatch(/^SLIPWAY_RUN/);
});

function swapping(target: string): string {
  return `
    end=$(($(date +%s) + ${ATTACK_SECONDS})); n=0; cd /c
    while [ $(date +%s) -lt $end ]; do
      for i in 1 2 3 4 5 6 7 8 9 10; do
        mkdir -p d/below; mv -T d t 2>/dev/null; ln -s ${target} l 2>/dev/null; mv t old 2>/dev/null; mv -T l t 2>/dev/null
        rm -rf t old d l 2>/dev/null
      done; n=$((n + 50)); done; echo $n`;
}
