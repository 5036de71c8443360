import { spawnSync } from 'node:child_process';
import { chmodSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { availableRungs, newFolder, type Rung, startRunner } from '../executor/rig/rungs.ts';
import type { MountRequest } from '../executor/rig/steps.ts';

const ATTACK_SECONDS = 4;

/**
 * CVE-2021-30465, CVE-2019-19921, CVE-2024-45310: one step swaps a folder of a mount that it shares with others for a symlink,
 * again and again, while others are started with mounts below that folder.
 */
test.each(availableRungs().filter(isFixed))(
  '$name: a mount target swapped for a symlink reaches nothing of the host',
  async (rung) => {
    using shared = newFolder(rung);
    using victim = newFolder(rung);
    chmodSync(victim.path, 0o777);
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
          args: ['/bin/sh', '-c', 'cat /c/t/secret; ls /c/t/below; echo changed >/c/t/made; true'],
          mounts: [
            cache,
            { type: 'tmpfs', target: '/c/t/below/deep' },
            { type: 'secret', target: '/c/t/file', text: 'of the build', uid: 0, mode: 0o600 },
          ],
        }),
      );
    }
    await over;

    expect(results.length).toBeGreaterThan(3);
    expect(Number((await attack).stdout)).toBeGreaterThan(1000);
    expect(readdirSync(victim.path)).toEqual(['secret']);
    expect(readFileSync(`${victim.path}/secret`, 'utf8')).toBe('of the host');
    expect(results.filter(({ stdout }) => stdout.includes('of the host'))).toEqual([]);
    for (const { error } of results) if (error !== undefined) expect(error.code).toMatch(/^SLIPWAY_RUN/);
  },
);

/** runc itself makes empty files and folders outside of the root before 1.1.14 (CVE-2024-45310). */
function isFixed({ name, runtime }: Rung): boolean {
  if (runtime !== 'runc') return true;
  const { stdout } = spawnSync('runc', ['--version'], { encoding: 'utf8' });
  const [major = 0, minor = 0, patch = 0] = (/\d+\.\d+\.\d+/.exec(stdout)?.[0] ?? '').split('.').map(Number);
  const fixed = major > 1 || minor > 1 || patch >= 14;
  if (!fixed) console.warn(`SKIPPED: ${name}: runc ${major}.${minor}.${patch} has CVE-2024-45310 itself`);
  return fixed;
}

function swapping(target: string): string {
  return `
    end=$(($(date +%s) + ${ATTACK_SECONDS})); n=0; cd /c
    while [ $(date +%s) -lt $end ]; do
      for i in 1 2 3 4 5 6 7 8 9 10; do
        mkdir d; mv -T d t 2>/dev/null; ln -s ${target} l 2>/dev/null; mv t old 2>/dev/null; mv -T l t 2>/dev/null
        rm -rf t old d l 2>/dev/null
      done; n=$((n + 50)); done; echo $n`;
}
