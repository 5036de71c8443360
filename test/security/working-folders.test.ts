import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { rootView } from '../../src/executor/root-view.ts';
import { makeWorkingFolder } from '../../src/executor/working-folder.ts';
import { availableRungs, newFolder, type Runner, startRunner } from '../executor/rig/rungs.ts';

const USER = { uid: 0, gid: 0, groups: [0], home: '/root' };

test('CVE-2024-21626: no descriptor of the runtime is ever a working directory', () => {
  const root = mkdtempSync(`${tmpdir()}/slipway-working-`);
  try {
    mkdirSync(`${root}/proc`);
    symlinkSync('/proc/self/fd', `${root}/link`);
    symlinkSync('../proc/./thread-self/../self/fd', `${root}/long`);
    const view = rootView(root);
    const start = (cwd: string) => () => makeWorkingFolder(view, cwd, { user: USER, mounts: [] });
    for (let fd = 0; fd < 1024; fd++)
      for (const cwd of [`/proc/self/fd/${fd}`, `/proc/1/fd/${fd}/..`, `/link/${fd}`, `//proc/./self/fd/${fd}/../..`])
        expect(start(cwd), cwd).toThrow(/working directory/);
    for (const cwd of [
      '/proc/self/cwd',
      '/proc/thread-self/fd/7',
      '/proc/self/root',
      '/long/7',
      '/proc/42/task/42/cwd',
    ])
      expect(start(cwd), cwd).toThrow(/working directory/);
    expect(readdirSync(`${root}/proc`)).toEqual([]);
  } finally {
    rmSync(root, { recursive: true, force: true });
  }
});

for (const rung of availableRungs()) {
  describe(rung.name, () => {
    let runner: Runner;
    beforeAll(() => {
      runner = startRunner(rung);
    });
    afterAll(() => runner[Symbol.asyncDispose]());

    test('CVE-2024-21626: a symlink inside of a mount leads no step into a descriptor of the runtime', async () => {
      using cache = newFolder(rung);
      for (let fd = 0; fd < 24; fd++) symlinkSync(`/proc/self/fd/${fd}`, `${cache.path}/${fd}`);
      symlinkSync('/proc/self/cwd', `${cache.path}/cwd`);
      symlinkSync('/proc/1/root', `${cache.path}/root`);
      const outside: string[] = [];
      for (const name of readdirSync(cache.path)) {
        const { stdout, error } = await runner.run({
          args: ['/bin/sh', '-c', 'readlink /proc/self/cwd; ls -di . /; ls -a ../../../../..'],
          cwd: `/c/${name}`,
          mounts: [{ type: 'host', source: cache.path, path: '/', target: '/c', access: 'rw' }],
        });
        // Either the runtime starts nothing there, or the place is the container's own root.
        if (error === undefined && !isRootOfStep(stdout)) outside.push(`${name}: ${stdout}`);
        if (error !== undefined) expect(error.code).toMatch(/^SLIPWAY_(RUN|WORKDIR|RUNTIME)_/);
      }
      expect(outside).toEqual([]);
    });

    test('CVE-2026-55686: a working directory behind a symlink is made inside of the root', async () => {
      using host = newFolder(rung);
      for (const text of [host.path, `../../../../../../..${host.path}`]) {
        const { stdout, layer, error } = await runner.run({
          args: ['/bin/sh', '-c', 'pwd'],
          cwd: '/link/made/deep',
          user: '33:33',
          root: [{ path: '/link', type: 'symlink', text }],
        });
        expect(error).toBeUndefined();
        expect(stdout.split('\n')[0]).toBe(`${host.path}/made/deep`);
        expect(layer).toContain(`d 755 33:33 ${host.path}/made/deep`);
        expect(existsSync(`${host.path}/made`)).toBe(false);
      }
      expect(readdirSync(host.path)).toEqual([]);
    });

    test('CVE-2026-55686: a working directory behind a symlink in a mount is not made on the host', async () => {
      using host = newFolder(rung);
      using cache = newFolder(rung);
      symlinkSync(host.path, `${cache.path}/absolute`);
      symlinkSync(`../../../../../../..${host.path}`, `${cache.path}/relative`);
      for (const name of ['absolute', 'relative']) {
        await runner.run({
          args: ['true'],
          cwd: `/c/${name}/made/deep`,
          mounts: [{ type: 'host', source: cache.path, path: '/', target: '/c', access: 'rw' }],
        });
      }
      expect(readdirSync(host.path)).toEqual([]);
    });
  });
}

/** Its name for the kernel, twice the same inode, and what is in it. */
function isRootOfStep(stdout: string): boolean {
  const [name, own = '', root = '', ...files] = stdout
    .trimEnd()
    .split('\n')
    .map((line) => line.trim());
  const inode = (line: string) => line.split(' ')[0];
  return name === '/' && inode(own) === inode(root) && !files.includes('usr') && files.includes('c');
}
