import { readdirSync, readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { baseImages, openRig } from '../../rig/slipway.ts';
import { typeInto } from '../../rig/terminal.ts';
import { describeForEachIsolation } from './each-isolation.ts';

/** A cache with links in the places of terminals: to what only the kernel's owner may write, and to a file of the host. */
const filling = (victim: string) => `
FROM busybox
RUN --mount=type=cache,id=dev,target=/c mkdir /c/pts /c/shm /c/mqueue; ln -s ${victim}/file /c/console; ln -s pts/ptmx /c/ptmx; \\
  ln -s /proc/sys/kernel/domainname /c/tty; for n in 0 1 2 3 4 5 6 7 8 9 ptmx; do ln -s /proc/sys/kernel/domainname /c/pts/$n; done`;

/** A domain name of the step's own is all that could be set. */
const LOOK =
  'test -c /dev/console && echo console-is-a-device; test -c /dev/stdin && echo input-is-a-device; ' +
  'for f in /dev/console /dev/tty /dev/pts/0 /proc/sys/kernel/domainname; do (echo taken-o"v"er >$f) 2>/dev/null; done; ' +
  'cat /proc/sys/kernel/domainname; wc -c </proc/keys; echo end-$((1+1)); exit 5\r';

describeForEachIsolation('the terminal of a step that is entered', (who, isolation) => {
  it.each([
    ['an image without hostile devices', ''],
    ['a cache in the place of /dev/pts', '--mount=type=cache,id=dev,source=pts,target=/dev/pts'],
    ['a cache in the place of /dev', '--mount=type=cache,id=dev,target=/dev'],
    ['a cache in the place of /dev/console', '--mount=type=cache,id=dev,target=/dev/console'],
  ])('CVE-2025-52565: is the one that slipway made, and opens nothing of the kernel: %s', (_, mount) => {
    using rig = openRig(who);
    const victim = rig.context({ file: 'of the host' });
    const step = `RUN ${mount} exit 3`;
    const context = rig.context({ Dockerfile: `${filling(victim)}\n${step}\n` });
    const args = ['--on-failure=shell', `--isolation=${isolation}`, ...baseImages(), context];
    const at = typeInto(rig, ['build', ...args], [['/ #', LOOK]]);
    const later = typeInto(rig, ['shell', `--isolation=${isolation}`], [['/ #', LOOK]]);
    for (const shown of [at, later]) {
      expect(shown).not.toContain('still waiting for');
      // Where a runtime starts nothing on such a cache, it says so.
      if (mount === '')
        expect(shown).toMatch(/console-is-a-device\r\ninput-is-a-device\r\n(taken-over\r\n)*\(none\)\r\n0\r\nend-2/);
      else if (shown.includes('end-2'))
        expect(shown).toMatch(/input-is-a-device\r\n(taken-over\r\n)*\(none\)\r\n0\r\n/);
      else expect(shown).toMatch(/\[SLIPWAY_(RUN|RUNTIME|MOUNT|FAILED_STEP)_|status 127 /);
    }
    expect(readdirSync(victim)).toEqual(['file']);
    expect(readFileSync(`${victim}/file`, 'utf8')).toBe('of the host');
  });
});
