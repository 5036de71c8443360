import { existsSync, mkdirSync, readdirSync, readFileSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { trustMounts } from '../../solver/ops/exec/trust.ts';
import { availableRungs, newFolder, type Rung, type Runner, startRunner } from '../executor/rig/rungs.ts';
import type { MountRequest, RootFile } from '../executor/rig/steps.ts';
import { hasHole } from './installed-runc.ts';

/** Paths that no step may read, as containerd has them; those are left out that a kernel of tests seldom has. */
const MASKED = ['/proc/kcore', '/proc/keys', '/proc/timer_list', '/proc/acpi', '/proc/scsi', '/sys/firmware'];
/** Where a step finds the certificates of `--ca-cert`. */
const CA_FILE = '/run/slipway/ca-certificates.pem';
/** Either the runtime refuses such a root, or the step runs in it. */
const REFUSAL = /^SLIPWAY_(RUN|RUNTIME|MOUNT_TARGET|WORKDIR)_/;

/** A folder of the host with what a runtime looks for in /dev, /proc and /sys. */
function hostFolder(rung: Rung) {
  const folder = newFolder(rung);
  for (const name of ['pts', 'shm', 'mqueue', 'self', 'fs']) mkdirSync(`${folder.path}/${name}`, { mode: 0o777 });
  for (const name of ['ptmx', 'null', 'console', 'marker'])
    writeFileSync(`${folder.path}/${name}`, 'host', { mode: 0o666 });
  symlinkSync('/proc/self/fd', `${folder.path}/fd`);
  const state = () =>
    readdirSync(folder.path)
      .sort()
      .map((name) => {
        const { mode, uid, size, ino, mtimeMs } = statSync(`${folder.path}/${name}`, { throwIfNoEntry: false }) ?? {};
        return [name, mode, uid, size, name === 'fd' ? 0 : ino, name === 'fd' ? 0 : mtimeMs].join(' ');
      });
  return { path: folder.path, state, [Symbol.dispose]: () => folder[Symbol.dispose]() };
}

for (const rung of availableRungs()) {
  describe(rung.name, () => {
    let runner: Runner;
    beforeAll(() => {
      runner = startRunner(rung);
    });
    afterAll(() => runner[Symbol.asyncDispose]());

    test.each([
      ['CVE-2026-41579', '/dev'],
      ['CVE-2023-28642, CVE-2023-27561', '/proc'],
      ['CVE-2023-28642, CVE-2023-27561', '/sys'],
      ['CVE-2024-9341', '/etc'],
    ])('%s: an image whose %s is a symlink has nothing made or removed on the host', async (_, place) => {
      using host = hostFolder(rung);
      const before = host.state();
      for (const text of [host.path, `../../../../../..${host.path}`, '/proc/self/root', '/tmp']) {
        const { error, stdout } = await runner.run({
          args: [
            '/bin/sh',
            '-c',
            `cat ${place}/marker; for f in ${MASKED.join(' ')}; do head -c 1 $f | grep -c .; done 2>/dev/null; true`,
          ],
          root: [{ path: place, type: 'symlink', text }],
        });
        expect(host.state()).toEqual(before);
        expect(stdout).not.toContain('host');
        // What the kernel mounts there would be elsewhere, without what hides parts of it.
        if (place !== '/etc') expect(error?.code).toMatch(/^SLIPWAY_(RUN_ROOT|MOUNT_TARGET)_INVALID$/);
        else if (error !== undefined) expect(error.code).toMatch(REFUSAL);
      }
    });

    test('CVE-2026-41579: links in a cache that is mounted as /dev have nothing made or removed on the host', async () => {
      using host = hostFolder(rung);
      using cache = newFolder(rung);
      const before = host.state();
      const links = [
        'null',
        'zero',
        'full',
        'tty',
        'random',
        'urandom',
        'fd',
        'stdin',
        'stdout',
        'core',
        'ptmx',
        'console',
      ];
      for (const name of links) symlinkSync(`${host.path}/${name}`, `${cache.path}/${name}`);
      for (const name of ['pts', 'shm', 'mqueue'])
        symlinkSync(`../../../../../..${host.path}/${name}`, `${cache.path}/${name}`);
      for (const [path, target] of [
        ['/', '/dev'],
        ['/pts', '/dev/pts'],
        ['/', '/dev/shm'],
      ] as const) {
        const { error } = await runner.run({
          args: ['/bin/sh', '-c', 'for f in /dev/*; do echo x >$f; rm $f; done 2>/dev/null; true'],
          mounts: [{ type: 'host', source: cache.path, path, target, access: 'rw' }],
        });
        expect(host.state()).toEqual(before);
        if (error !== undefined) expect(error.code).toMatch(/^SLIPWAY_(RUN|RUNTIME|MOUNT)_/);
      }
    });

    test.each(['/dev', '/proc', '/sys'])(
      'CVE-2023-28642: an image whose %s is a file is refused or has its own',
      async (place) => {
        const { error } = await runner.run({
          args: ['/bin/sh', '-c', `test -d ${place} && test $(ls ${place} | wc -l) -gt 2`],
          root: [{ path: place, type: 'file', text: 'x' }],
        });
        if (error !== undefined) expect(error.code).toMatch(REFUSAL);
      },
    );

    test.each([
      ['/etc/resolv.conf', '/etc/hosts'],
      ['/etc/hosts', '/etc/resolv.conf'],
    ])('CVE-2024-9341: %s as a symlink to the host shows and changes nothing there', async (name, other) => {
      using host = hostFolder(rung);
      const before = host.state();
      for (const text of [`${host.path}/marker`, `../../../../..${host.path}/new`, `${host.path}/fd/0`, other]) {
        const { error, stdout } = await runner.run({
          args: ['/bin/sh', '-c', `cat ${name}; echo written 2>/dev/null >>${name}; true`],
          root: [{ path: name, type: 'symlink', text }],
        });
        expect(host.state()).toEqual(before);
        if (error === undefined) expect(stdout).toMatch(/^(nameserver|search|127\.0\.0\.1)\s/);
        else expect([error.code, stdout]).toEqual([expect.stringMatching(REFUSAL), '']);
      }
    });

    test.each(['/run', '/run/slipway', CA_FILE])(
      'CVE-2024-9341: the certificates that a step trusts reach nothing of the host where %s is a symlink',
      async (place) => {
        using host = hostFolder(rung);
        const before = host.state();
        const trusted = { all: Buffer.from('all of them\n'), added: Buffer.from('one of them\n') };
        const mounts = trustMounts(trusted, []).container.map(({ target }): MountRequest => {
          return { type: 'secret', target, text: 'trusted\n', uid: 0, mode: 0o444 };
        });
        expect(mounts.map(({ target }) => target)).toContain(CA_FILE);
        for (const text of [`${host.path}/marker`, host.path, `../../../../..${host.path}/new`, `${host.path}/fd/0`]) {
          const { error, stdout } = await runner.run({
            args: ['/bin/sh', '-c', `cat ${CA_FILE}; echo written 2>/dev/null >>${CA_FILE}; true`],
            root: [{ path: place, type: 'symlink', text }],
            mounts,
          });
          expect(host.state()).toEqual(before);
          if (error === undefined) expect(stdout).toBe('trusted\n');
          else expect([error.code, stdout]).toEqual([expect.stringMatching(REFUSAL), '']);
        }
      },
    );

    test('CVE-2024-9341: a name of the machine that is a symlink to the host is not written to', async () => {
      using host = hostFolder(rung);
      const before = host.state();
      const { stdout } = await runner.run({
        args: ['/bin/sh', '-c', 'hostname; cat /etc/hostname 2>&1; true'],
        root: [{ path: '/etc/hostname', type: 'symlink', text: `${host.path}/marker` }],
      });
      expect(host.state()).toEqual(before);
      expect(stdout).toMatch(/^buildkitsandbox\n.*No such file/);
    });

    test.each<[string, readonly RootFile[]]>([
      ['a symlink to what is masked', [{ path: '/dev/null', type: 'symlink', text: '/proc/kcore' }]],
      ['a symlink to sysrq', [{ path: '/dev/null', type: 'symlink', text: '/proc/sysrq-trigger' }]],
      ['a file', [{ path: '/dev/null', type: 'file', text: 'of the image' }]],
      ['a fifo', [{ path: '/dev/null', type: 'fifo' }]],
    ])(
      'CVE-2025-31133: an image whose /dev/null is %s has the kernel’s, and the masks hide what they should',
      async (_, root) => {
        const { error, stdout } = await runner.run({
          args: [
            '/bin/sh',
            '-c',
            `stat -c '%F %t:%T' /dev/null; cat /dev/null
           for f in ${MASKED.join(' ')}; do if [ -d $f ]; then ls -A $f; else head -c 1 $f 2>/dev/null; fi; done
           (echo x >/proc/sysrq-trigger) 2>/dev/null && echo sysrq`,
          ],
          root,
        });
        expect(stdout).toBe('character special file 1:3\n');
        expect(error?.exitCode).toBe(1);
      },
    );

    test.skipIf(hasHole(rung, 'CVE-2025-31133', '1.2.8'))(
      'CVE-2025-31133: a cache in the place of /dev brings no null device of its own to hide paths with',
      async () => {
        using cache = newFolder(rung);
        writeFileSync(`${cache.path}/null`, 'of the cache');
        const { stdout } = await runner.run({
          args: [
            '/bin/sh',
            '-c',
            `for f in ${MASKED.join(' ')}; do test -f $f && echo "$f is a file"; head -c 3 $f 2>/dev/null; done; true`,
          ],
          mounts: [{ type: 'host', source: cache.path, path: '/', target: '/dev', access: 'rw' }],
        });
        expect(stdout).toBe('');
      },
    );

    test('CVE-2025-52881: an image that has files where the kernel’s are written to changes nothing of the process', async () => {
      const fakes = [
        'self/attr/exec',
        'self/attr/apparmor/exec',
        'thread-self/attr/exec',
        'sys/net/ipv4/ping_group_range',
      ];
      const { stdout, error } = await runner.run({
        args: [
          '/bin/sh',
          '-c',
          'grep -E "^(CapEff|Seccomp|NoNewPrivs):" /proc/self/status; grep -c " /proc proc\\|- proc " /proc/self/mountinfo',
        ],
        root: [
          ...fakes.map((name) => ({ path: `/proc/${name}`, type: 'file' as const, text: 'of the image' })),
          { path: '/proc/sysrq-trigger', type: 'symlink' as const, text: '/etc/passwd' },
        ],
      });
      expect(error).toBeUndefined();
      expect(stdout).toMatch(/^CapEff:\t00000000a80425fb\nNoNewPrivs:\t0\nSeccomp:\t2\n[1-9]/);
    });

    test('CVE-2025-52881: a procfs of the image’s making is not mounted on by way of a mount target', async () => {
      using cache = newFolder(rung);
      mkdirSync(`${cache.path}/self/attr`, { recursive: true });
      writeFileSync(`${cache.path}/self/attr/exec`, '', { mode: 0o666 });
      for (const target of ['/proc', '/proc/self', '/proc/self/attr', '/proc/sys/kernel']) {
        const { error } = await runner.run({
          args: ['true'],
          mounts: [{ type: 'host', source: cache.path, path: '/', target, access: 'rw' }],
        });
        if (error !== undefined) expect(error.code).toMatch(REFUSAL);
        expect(readFileSync(`${cache.path}/self/attr/exec`, 'utf8')).toBe('');
      }
    });

    test.each(['/proc/1/exe', '/proc/self/exe', '/proc/$PPID/exe'])(
      'CVE-2019-5736: %s cannot be written to',
      async (path) => {
        const programs = [process.execPath, '/usr/bin/crun', '/usr/sbin/runc', '/usr/bin/unshare'].filter(existsSync);
        const before = programs.map((file) => statSync(file).mtimeMs);
        const { stdout } = await runner.run({
          args: [
            '/bin/sh',
            '-c',
            `for n in 1 2 3 4 5; do (echo x >${path}) 2>/dev/null && echo written; (echo x >>${path}) 2>/dev/null && echo written; done; readlink /proc/1/exe`,
          ],
        });
        expect(stdout).toBe('/bin/busybox\n');
        expect(programs.map((file) => statSync(file).mtimeMs)).toEqual(before);
      },
    );

    test('CVE-2019-5736: a command that is /proc/self/exe runs nothing of the builder', async () => {
      const results = [
        await runner.run({ args: ['/proc/self/exe', '--version'] }),
        await runner.run({
          args: ['/run-me', '--version'],
          root: [{ path: '/run-me', type: 'symlink', text: '/proc/self/exe' }],
        }),
      ];
      for (const { stdout, stderr } of results) expect(stdout + stderr).not.toMatch(/crun|runc|v\d+\.\d+/);
    });
  });
}
