import { chmodSync, chownSync, readdirSync, statSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { cgroups, mountsBelow, newMarker, processesWith, until } from './rig/machine-traces.ts';
import { availableRungs, type Runner, startRunner } from './rig/rungs.ts';
import type { StepRequest, StepResult } from './rig/steps.ts';

const shell = (script: string) => ({ args: ['/bin/sh', '-c', script] });

/** What containers are besides what every executor gives: chroot isolation has no namespaces and no mounts. */
describe.each(availableRungs())('$name', (rung) => {
  let runner: Runner;
  beforeAll(() => {
    runner = startRunner(rung);
  });
  afterAll(() => runner[Symbol.asyncDispose]());
  const run = (step: StepRequest) => runner.run(step);
  const runAll = (steps: readonly StepRequest[]): Promise<StepResult[]> => Promise.all(steps.map(run));

  test("the command is process 1, with docker's capabilities and seccomp, without the builder's environment", async () => {
    const { stdout } = await run(shell('echo $$; grep -E "^(Cap|NoNewPrivs|Seccomp:)" /proc/self/status; env | sort'));
    const caps = '00000000a80425fb';
    expect(stdout).toBe(
      `1\nCapInh:\t0000000000000000\nCapPrm:\t${caps}\nCapEff:\t${caps}\nCapBnd:\t${caps}\nCapAmb:\t0000000000000000\n` +
        'NoNewPrivs:\t0\nSeccomp:\t2\nHOME=/root\nPATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin\nPWD=/\nSHLVL=1\n',
    );
  });

  test('namespaces and mounts cannot be made, and the kernel cannot be set', async () => {
    const { stdout } = await run(
      shell(`t() { n=$1; shift; "$@" >/dev/null 2>&1 && echo "$n yes" || echo "$n no"; }; mkdir /m
        t mount mount -t tmpfs none /m; t userns unshare -U true; t mountns unshare -m true; t chroot chroot / /bin/true
        t hostname hostname x; t sysctl sh -c 'echo x >/proc/sys/kernel/hostname'; t sys touch /sys/x; t cgroup mkdir /sys/fs/cgroup/x`),
    );
    expect(stdout).toBe('mount no\nuserns no\nmountns no\nchroot yes\nhostname no\nsysctl no\nsys no\ncgroup no\n');
  });

  test('hostname, hosts and resolv.conf are given, umask is 022, /dev/shm has 64 MB', async () => {
    const { stdout } = await run({
      ...shell(
        'hostname; cat /etc/hosts; umask; test -e /etc/resolv.conf && echo resolv; df -k /dev/shm | awk "NR==2{print \\$2}"',
      ),
      extraHosts: [{ host: 'db', ip: '10.1.2.3' }],
    });
    expect(stdout).toBe(
      'buildkitsandbox\n127.0.0.1\tlocalhost buildkitsandbox\n::1\tlocalhost ip6-localhost ip6-loopback\n10.1.2.3\tdb\n0022\nresolv\n65536\n',
    );
  });

  test("the machine's devices are written to and read, but their owners and modes are the machine's", async () => {
    const devices = ['/dev/null', '/dev/zero', '/dev/full', '/dev/random', '/dev/urandom', '/dev/tty'];
    const state = () =>
      devices.map((path) => {
        const { mode, uid, gid } = statSync(path);
        return { path, mode, uid, gid };
      });
    const before = state();
    const result = await run(
      shell(`chmod 4 ${devices.join(' ')} 2>/dev/null; chown 33:33 ${devices.join(' ')} 2>/dev/null
        echo gone >/dev/null; head -c 2 /dev/zero | wc -c; head -c 3 /dev/urandom | wc -c; echo x 2>&1 >/dev/full | grep -c .`),
    );
    const after = state();
    for (const { path, mode, uid, gid } of before) {
      chmodSync(path, mode & 0o7777);
      chownSync(path, uid, gid);
    }
    expect(after).toEqual(before);
    expect(result.stdout).toBe('2\n3\n1\n');
  });

  test.runIf(!rung.rootless)(
    'devices are as good as new for every step, which may change owners and modes',
    async () => {
      const look = 'stat -c "%a %u" /dev/null /dev/zero';
      const { stdout } = await run(
        shell(`chmod 600 /dev/null; chown 5 /dev/zero; ${look}; echo x >/dev/null && head -c 2 /dev/zero | wc -c`),
      );
      expect(stdout).toBe('600 0\n666 5\n2\n');
      expect((await run(shell(look))).stdout).toBe('666 0\n666 0\n');
    },
  );

  test('limits and the size of /dev/shm are those asked for', async () => {
    const { stdout } = await run({
      ...shell('ulimit -n; ulimit -Hn; ulimit -c; df -k /dev/shm | awk "NR==2{print \\$2}"'),
      ulimits: [
        { name: 'nofile', soft: 1234, hard: 2345 },
        { name: 'core', soft: 0, hard: 0 },
      ],
      shmSizeBytes: 32 * 1024 * 1024,
    });
    expect(stdout).toBe('1234\n2345\n0\n32768\n');
  });

  test('network none has a loopback device that is up, and nothing else', async () => {
    const { stdout } = await run({ ...shell('ip -o link show up | cut -d: -f2'), network: 'none' });
    expect(stdout).toBe(' lo\n');
  });

  test('standard input is at its end, and nothing above descriptor 2 is open', async () => {
    const result = await run(shell('cat; ls /proc/self/fd | tr "\\n" " "'));
    // 3 is ls's own, of the folder that it lists.
    expect(result.stdout).toBe('0 1 2 3 ');
  });

  test("the image's own /etc/hosts is hidden, cannot be changed, and is kept", async () => {
    const { stdout, layer } = await run({
      ...shell('cat /etc/hosts | head -1; echo x 2>/dev/null >>/etc/hosts; rm -f /etc/hosts 2>/dev/null || echo busy'),
      root: [{ path: '/etc/hosts', type: 'file', text: 'own\n' }],
    });
    expect(stdout).toBe('127.0.0.1\tlocalhost buildkitsandbox\nbusy\n');
    expect(layer).toEqual([]);
  });

  test('binds are read-only or thrown away, files and folders, with targets made where they lack', async () => {
    const files = [
      { path: '/d/f', type: 'file', text: 'orig\n' },
      { path: '/d/deep/g', type: 'file', text: 'g\n' },
    ] as const;
    const [ro, discard] = await runAll([
      {
        ...shell('cat /a/f /b.txt; echo x 2>/dev/null >/a/f || echo ro'),
        mounts: [
          { type: 'stack', files, target: '/a', path: '/d', access: 'ro' },
          { type: 'stack', files, target: '/b.txt', path: '/d/deep/g', access: 'ro' },
        ],
      },
      {
        ...shell('echo new >/a/f; cat /a/f; rm /a/deep/g'),
        mounts: [{ type: 'stack', files, target: '/a', path: '/d', access: 'discard' }],
      },
    ]);
    expect(ro).toMatchObject({ stdout: 'orig\ng\nro\n', layer: [] });
    expect(discard).toMatchObject({ stdout: 'new\n', layer: [] });
  });

  test('memory is empty, bounded, and has the mode of what it hides', async () => {
    const { stdout, layer } = await run({
      ...shell('ls -A /root; stat -c %a /root /new; head -c 3000000 /dev/zero 2>/dev/null >/new/f; stat -c %s /new/f'),
      mounts: [
        { type: 'tmpfs', target: '/root' },
        { type: 'tmpfs', target: '/new', sizeBytes: 1024 * 1024 },
      ],
    });
    expect(stdout).toBe('700\n1777\n1048576\n');
    expect(layer).toEqual([]);
  });

  test('SIGKILL to the builder leaves no process, no mount and no cgroup', async () => {
    await using builder = startRunner(rung);
    const marker = newMarker();
    const before = cgroups();
    const unfinished = builder.run(shell(`setsid sleep ${marker} & sleep ${marker}`));
    await until(() => processesWith(marker).length >= 2);
    expect(mountsBelow(builder.folder)).toEqual([]);
    builder.process.kill('SIGKILL');
    await expect(unfinished).rejects.toThrow('the step runner ended');
    await until(() => processesWith(marker).length === 0 && processesWith(builder.folder).length === 0);
    expect(mountsBelow(builder.folder)).toEqual([]);
    expect(readdirSync(`${builder.folder}/state/mnt`)).toEqual([]);
    expect(cgroups().filter((group) => !before.includes(group))).toEqual([]);
  });
});
