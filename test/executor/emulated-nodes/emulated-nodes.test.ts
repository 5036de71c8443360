import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { availableRungs, type Runner, startRunner } from '../rig/rungs.ts';
import type { MountRequest } from '../rig/steps.ts';

for (const rung of availableRungs().filter(({ rootless }) => rootless)) {
  describe(rung.name, () => {
    let runner: Runner;
    beforeAll(() => {
      runner = startRunner(rung);
    });
    afterAll(() => runner[Symbol.asyncDispose]());
    const run = (script: string, options: { user?: string; mounts?: readonly MountRequest[] } = {}) =>
      runner.run({ args: ['/bin/sh', '-c', script], ...options });

    test('a step makes device nodes, and its layer has them with their owners and modes', async () => {
      const { layer, error } = await run('mknod /n c 1 3 && mknod -m 640 /b b 7 300 && chown 12:34 /b && mkfifo /p');
      expect(error).toBeUndefined();
      expect(layer).toEqual(['block 7 300 640 12:34 /b', 'char 1 3 644 0:0 /n', 'c 644 0:0 /p']);
    });

    test('what becomes of a node in its step, becomes of it in the layer', async () => {
      const { layer } = await run(
        `mkdir /d /e; cd /d; for i in 1 2 3 4; do mknod $i c 4 $i; done
         mv 1 /e/moved; ln 2 /e/linked; rm 3; chmod 4700 4; mkdir deep; mv 4 deep; mv /e /f`,
      );
      expect(layer).toEqual([
        'd 755 0:0 /d',
        'char 4 2 644 0:0 /d/2',
        'd 755 0:0 /d/deep',
        'char 4 4 4700 0:0 /d/deep/4',
        'd 755 0:0 /f',
        'char 4 2 644 0:0 /f/linked',
        'char 4 1 644 0:0 /f/moved',
      ]);
    });

    test('a node is made by the umask, and where the path leads the step', async () => {
      const { layer, error } = await run(
        `mkdir -p /a/b /jail/bin /jail/sub; ln -s /a/b /link; ln -s ../jail/sub /a/up; cp /bin/busybox /jail/bin/
         umask 077; cd /a; mknod b/../one c 1 1; mknod /link/two c 1 2; mknod up/three c 1 3; mknod /../four c 1 4
         chroot /jail /bin/busybox mknod /sub/../../five c 1 5`,
      );
      expect(error).toBeUndefined();
      expect(layer.filter((line) => line.startsWith('char')).sort()).toEqual([
        'char 1 1 600 0:0 /a/one',
        'char 1 2 600 0:0 /a/b/two',
        'char 1 3 600 0:0 /jail/sub/three',
        'char 1 4 600 0:0 /four',
        'char 1 5 600 0:0 /jail/five',
      ]);
    });

    test.each([
      ['of a name that is taken', 'mknod /etc c 1 3', /File exists/],
      ['where there is no folder', 'mknod /no/such c 1 3', /No such file or directory/],
      ['below a file', 'mknod /etc/passwd/n c 1 3', /Not a directory/],
      ['on a read-only mount', 'mknod /proc/sys/n c 1 3', /Read-only|Operation not permitted|No such file/],
      ['in memory', 'mknod /dev/shm/n c 1 3', /Operation not permitted/],
      ['that overlayfs would take for a removal', 'mknod /n c 0 0', /Operation not permitted/],
    ])('a node %s is refused', async (_, script, expected) => {
      const { stderr, layer, error } = await run(script);
      expect(error?.exitCode).toBe(1);
      expect(stderr).toMatch(expected);
      expect(layer).toEqual([]);
    });

    test('only root of the step makes nodes', async () => {
      const { stderr, layer } = await run('mknod /tmp/n c 1 3', { user: 'www-data' });
      expect(stderr).toMatch(/Operation not permitted/);
      expect(layer).toEqual([]);
    });

    test('nodes that were made before a step failed are in what it left', async () => {
      const { layer, error } = await run('mknod /n c 1 3; exit 3');
      expect(error?.exitCode).toBe(3);
      expect(layer).toEqual(['char 1 3 644 0:0 /n']);
    });

    test('a socket of the step is none of the nodes, also where it has the number of one that is gone', async () => {
      const { layer } = await run('for i in $(seq 50); do mknod /n c 1 3; rm /n; done; mkfifo /p');
      expect(layer).toEqual(['c 644 0:0 /p']);
    });

    test('each step has its own nodes', async () => {
      for (const major of [1, 2]) {
        const { layer } = await run(`for i in 1 2; do mknod /n$i c ${major} $i; done`);
        expect(layer).toEqual([`char ${major} 1 644 0:0 /n1`, `char ${major} 2 644 0:0 /n2`]);
      }
    });
  });
}
