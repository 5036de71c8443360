import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { availableRungs, newFolder, type Runner, startRunner } from '../executor/rig/rungs.ts';
import type { MountRequest, RootFile, StepRequest } from '../executor/rig/steps.ts';

const shell = (script: string, step: Partial<StepRequest> = {}): StepRequest => ({
  args: ['/bin/sh', '-c', script],
  ...step,
});
const passwd = (text: string): RootFile => ({ path: '/etc/passwd', type: 'file', text });
const OWN_IDS = 'id -u; id -g; id -G; grep ^Groups: /proc/self/status';

for (const rung of availableRungs()) {
  describe(rung.name, () => {
    let runner: Runner;
    beforeAll(() => {
      runner = startRunner(rung);
    });
    afterAll(() => runner[Symbol.asyncDispose]());

    test.each(['4294967296', '-1', '4294967295', '2147483648', '99999999999999999999', '0:4294967296', '33:-1'])(
      'CVE-2026-46680: the user %s is no user, although the image has one of this name with the id 0',
      async (user) => {
        const names = user.split(':').map((name) => `${name}:x:0:0::/:/bin/sh\n`);
        const groups = user.split(':').map((name) => `${name}:x:0:\n`);
        const { stdout, error } = await runner.run(
          shell('id -u; id -g', {
            user,
            root: [passwd(names.join('')), { path: '/etc/group', type: 'file', text: groups.join('') }],
          }),
        );
        expect([error?.code, stdout]).toEqual(['SLIPWAY_USER_INVALID', '']);
      },
    );

    test.each(['0x0', '0X21', '1e3', ' 0', '٠'])(
      'CVE-2026-46680: the user %s is a name, and an unknown one',
      async (user) => {
        const { stdout, error } = await runner.run(shell('id -u', { user }));
        expect([error?.code, stdout]).toEqual(['SLIPWAY_USER_UNKNOWN', '']);
      },
    );

    test.each([
      ['00', '0'],
      ['+0', '0'],
      ['-0', '0'],
      ['0033', '33'],
      ['+33', '33'],
    ])('CVE-2026-46680: the user %s is the id %s, whatever entry has these signs as its name', async (user, uid) => {
      const { stdout, error } = await runner.run(
        shell('id -u', { user, root: [passwd(`${user}:x:77:77::/:\nroot:x:0:0::/root:/bin/sh\n`)] }),
      );
      expect(error).toBeUndefined();
      expect(stdout).toBe(`${uid}\n`);
    });

    test.each<[string, readonly RootFile[]]>([
      ['five sparse GiB', [{ path: '/etc/passwd', type: 'file', sizeBytes: 5 * 1024 ** 3 }]],
      ['a fifo', [{ path: '/etc/passwd', type: 'fifo' }]],
      [
        'a symlink to a fifo',
        [
          { path: '/pipe', type: 'fifo' },
          { path: '/etc/passwd', type: 'symlink', text: '/pipe' },
        ],
      ],
      ['five sparse GiB of groups', [{ path: '/etc/group', type: 'file', sizeBytes: 5 * 1024 ** 3 }]],
      ['a fifo of groups', [{ path: '/etc/group', type: 'fifo' }]],
      [
        'a folder',
        [
          { path: '/bin/x', type: 'dir' },
          { path: '/etc/passwd', type: 'symlink', text: '/bin/x' },
        ],
      ],
    ])('GHSA-72x6-4j93-7w86, 9cdf642: users that are %s are refused and not read', async (_, root) => {
      for (const user of ['www-data', '33:33']) {
        const { error } = await runner.run(shell('id -u', { user, root }));
        expect(error?.code).toBe('SLIPWAY_USER_FILE_INVALID');
      }
    });

    test.each([
      '/dev/zero',
      '/proc/1/environ',
      '/proc/self/environ',
      '../../../../../../etc/passwd',
      '/proc/self/root/etc/passwd',
    ])("CVE-2024-9676: users that are a symlink to %s are not looked for among the builder's files", async (text) => {
      const { error, stdout } = await runner.run(
        shell('id -u', { user: 'daemon', root: [{ path: '/etc/passwd', type: 'symlink', text }] }),
      );
      expect([error?.code, stdout]).toEqual(['SLIPWAY_USER_UNKNOWN', '']);
      expect(error?.message).not.toContain('canary');
    });

    test.each([
      ['', ['0', '0', '0', 'Groups:\t0 ']],
      ['1000:1000', ['1000', '1000', '1000', 'Groups:\t1000 ']],
      ['www-data', ['33', '33', '33 50', 'Groups:\t33 50 ']],
      ['www-data:staff', ['33', '50', '50', 'Groups:\t50 ']],
      ['1234', ['1234', '0', '0', 'Groups:\t0 ']],
    ])('CVE-2023-25173, CVE-2022-2990: the user "%s" has exactly its own groups', async (user, ids) => {
      const { stdout } = await runner.run(shell(OWN_IDS, { user }));
      expect(
        stdout
          .trimEnd()
          .split('\n')
          .map((line) => line.trimEnd()),
      ).toEqual(ids.map((line) => line.trimEnd()));
    });

    test('CVE-2022-2990: a file that a group may not read stays closed to whoever is of that group', async () => {
      using folder = newFolder(rung);
      const cache: MountRequest = { type: 'host', source: folder.path, path: '/', target: '/c', access: 'rw' };
      const closed = 'echo open >/c/f; chgrp staff /c/f; chmod 604 /c/f; chmod 755 /c';
      const read = 'cat /c/f 2>/dev/null || echo closed';
      expect(await runner.run(shell(closed, { mounts: [cache] }))).not.toHaveProperty('error');
      const answers: string[] = [];
      for (const user of ['www-data', '1234:50', '1234:5678'])
        answers.push((await runner.run(shell(read, { user, mounts: [cache] }))).stdout.trim());
      expect(answers).toEqual(['closed', 'closed', 'open']);
    });
  });
}
