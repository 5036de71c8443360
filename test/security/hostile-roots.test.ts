import { existsSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { availableRungs, newFolder, type Runner, startRunner } from '../executor/rig/rungs.ts';
import type { MountRequest, StepRequest } from '../executor/rig/steps.ts';

const shell = (script: string, mounts: readonly MountRequest[] = []): StepRequest => ({
  args: ['/bin/sh', '-c', script],
  mounts,
});

for (const rung of availableRungs()) {
  describe(rung.name, () => {
    let runner: Runner;
    beforeAll(() => {
      runner = startRunner(rung);
    });
    afterAll(() => runner[Symbol.asyncDispose]());
    const run = (step: StepRequest) => runner.run(step);

    /** A folder of the host that everybody may write to, with empty files and an empty folder in it. */
    function hostFolder() {
      const folder = newFolder(rung);
      mkdirSync(`${folder.path}/b`, { mode: 0o777 });
      for (const name of ['empty', 'hosts', 'resolv.conf'])
        writeFileSync(`${folder.path}/${name}`, '', { mode: 0o666 });
      return folder;
    }

    // Only an insecure step may unmount what stands in its way.
    test.each(['sandbox', 'insecure'] as const)(
      'CVE-2024-23652: what a %s step puts in the place of a mount target is not followed when the step is over',
      async (security) => {
        using host = hostFolder();
        const { layer } = await run({
          ...shell(
            `mkdir /x; umount /a/b /a/empty; mv /a /moved || rm -rf /a; ln -s ${host.path} /a
             for f in /etc/hosts /etc/resolv.conf; do umount $f; done; rm -rf /etc; ln -s ${host.path} /etc; true`,
          ),
          security,
          mounts: [
            { type: 'tmpfs', target: '/a/b' },
            { type: 'secret', target: '/a/empty', text: 's', uid: 0, mode: 0o400 },
          ],
        });
        expect(readdirSync(host.path).sort()).toEqual(['b', 'empty', 'hosts', 'resolv.conf']);
        expect(layer).toContain('d 755 0:0 /x');
        if (security === 'insecure')
          expect(layer.filter((line) => / \/(a|etc)$/.test(line))).toEqual(['l 777 0:0 /a', 'l 777 0:0 /etc']);
      },
    );

    test.each(['/etc', '/proc', '/sys', '/dev', '/run', '/tmp'])(
      '%s as a symlink out of the root reaches nothing of the host',
      async (place) => {
        using host = hostFolder();
        const before = readdirSync(host.path);
        const result = await run({
          ...shell('echo written >/run/f 2>/dev/null; ls /etc /proc /dev >/dev/null; true'),
          root: [{ path: `${place}`, type: 'symlink', text: `../../../../..${host.path}` }],
          mounts: [{ type: 'tmpfs', target: `${place}/new` }],
        });
        expect(readdirSync(host.path)).toEqual(before);
        // Either the runtime refuses such a root, or the step runs in it.
        if (result.error !== undefined) expect(result.error.code).toMatch(/^SLIPWAY_(RUN|RUNTIME|USER|MOUNT_TARGET)_/);
      },
    );

    test.each([0, 3, 5, 7, 9, 20])('CVE-2024-21626: no step starts in descriptor %i of the runtime', async (fd) => {
      const direct = await run({ ...shell('pwd'), cwd: `/proc/self/fd/${fd}` });
      const linked = await run({
        ...shell('pwd'),
        cwd: `/link/${fd}`,
        root: [{ path: '/link', type: 'symlink', text: '/proc/self/fd' }],
      });
      expect([direct.error?.code, linked.error?.code]).toEqual(['SLIPWAY_WORKDIR_INVALID', 'SLIPWAY_WORKDIR_INVALID']);
    });

    test('CVE-2024-21626: a step has no descriptor but its input and outputs, and starts in its own root', async () => {
      const { stdout } = await run(shell('ls /proc/1/fd; readlink /proc/1/cwd; pwd'));
      expect(stdout).toBe('0\n1\n2\n/\n/\n');
    });

    test.each(['/link', '/link/etc', '/up', '/chain'])(
      'CVE-2024-1753: the source %s of a mount is looked for inside the mounted tree',
      async (path) => {
        const { stdout, error } = await run({
          ...shell('ls /m'),
          mounts: [
            {
              type: 'stack',
              target: '/m',
              path,
              access: 'ro',
              files: [
                { path: '/own', type: 'file' },
                { path: '/etc/inside', type: 'file' },
                { path: '/link', type: 'symlink', text: '/' },
                { path: '/up', type: 'symlink', text: '../../../../..' },
                { path: '/chain', type: 'symlink', text: 'up/../etc' },
              ],
            },
          ],
        });
        expect(error).toBeUndefined();
        expect(stdout.split('\n')).toContain(path === '/link' || path === '/up' ? 'own' : 'inside');
      },
    );

    test('a source that leads nowhere is an error that names it', async () => {
      const { error } = await run({
        args: ['true'],
        mounts: [{ type: 'stack', target: '/m', path: '/no/such', access: 'ro', files: [] }],
      });
      expect(error).toMatchObject({ code: 'SLIPWAY_MOUNT_SOURCE_MISSING' });
      expect(error?.message).toContain('/no/such');
    });

    test("CVE-2021-3602: no process's environment that a step can see holds anything of the builder's", async () => {
      const { stdout } = await run(
        shell('cat /proc/[0-9]*/environ | tr "\\0" "\\n" | grep -c canary; ls -d /proc/[0-9]* | wc -l'),
      );
      expect(stdout).toMatch(/^0\n[1-9]\n$/);
    });

    test('CVE-2019-5736: the runtime cannot be written to', async () => {
      const { stdout } = await run(
        shell('for p in 1 self; do (echo x >>/proc/$p/exe) 2>/dev/null && echo written; done; echo end'),
      );
      expect(stdout).toBe('end\n');
      expect(existsSync('/usr/bin/env')).toBe(true);
    });

    test('a step may make device nodes, but not open the disks that they stand for', async () => {
      const { stdout } = await run(
        shell(
          `for d in / /dev /dev/shm /tmp /c /t; do
          mknod $d/disk b 7 0 2>/dev/null; head -c 1 $d/disk >/dev/null 2>&1 && echo "$d read"
          mknod $d/memory c 1 1 2>/dev/null; head -c 1 $d/memory >/dev/null 2>&1 && echo "$d read"
        done; head -c 1 /dev/zero | wc -c; echo x >/dev/null && echo end`,
          [
            { type: 'tmpfs', target: '/t' },
            { type: 'stack', target: '/c', path: '/', access: 'discard', files: [] },
          ],
        ),
      );
      expect(stdout).toBe('1\nend\n');
    });

    test('a target that is the root, or a loop, is refused', async () => {
      const target = async (path: string) =>
        (
          await run({
            args: ['true'],
            root: [{ path: '/loop', type: 'symlink', text: 'loop' }],
            mounts: [{ type: 'tmpfs', target: path }],
          })
        ).error?.code;
      expect(await target('/')).toBe('SLIPWAY_MOUNT_TARGET_INVALID');
      expect(await target('/tmp/..')).toBe('SLIPWAY_MOUNT_TARGET_INVALID');
      expect(await target('/loop/x')).toBe('SLIPWAY_MOUNT_TARGET_INVALID');
    });
  });
}
