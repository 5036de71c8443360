import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { availableRungs, newFolder, type Rung, type Runner, startRunner } from './rig/rungs.ts';
import type { StepRequest, StepResult } from './rig/steps.ts';

const shell = (script: string) => ({ args: ['/bin/sh', '-c', script] });

for (const rung of availableRungs()) {
  describe(rung.name, () => {
    let runner: Runner;
    beforeAll(() => {
      runner = startRunner(rung);
    });
    afterAll(() => runner[Symbol.asyncDispose]());
    const run = (step: StepRequest) => runner.run(step);
    output(run);
    endings(run);
    surroundings(run);
    traces(run);
    users(run);
    mounts(run, rung);
    lifetime(rung);
  });
}

type Run = (step: StepRequest) => Promise<StepResult>;

function runAll(run: Run, steps: readonly StepRequest[]): Promise<StepResult[]> {
  return Promise.all(steps.map(run));
}

function output(run: Run): void {
  test('output comes on the stream it was written to', async () => {
    const result = await run(shell('echo out; echo err >&2; printf end'));
    expect(result).toMatchObject({ stdout: 'out\nend', stderr: 'err\n' });
  });

  test('/dev/stdout and /dev/stderr can be opened, also by another user', async () => {
    const result = await run({ ...shell('echo a >/dev/stdout; echo b >/dev/stderr'), user: 'www-data' });
    expect(result).toMatchObject({ stdout: 'a\n', stderr: 'b\n' });
  });

  test('standard input is at its end, and nothing above descriptor 2 is open', async () => {
    const result = await run(shell('cat; ls /proc/self/fd | tr "\\n" " "'));
    // 3 is ls's own, of the folder that it lists.
    expect(result.stdout).toBe('0 1 2 3 ');
  });

  test("the machine's null device keeps its owner while another user's step runs", async () => {
    const step = run({ ...shell('sleep 0.3'), user: 'www-data' });
    const owners = new Set<number>();
    while (!owners.has(-1)) {
      owners.add(statSync('/dev/null').uid);
      await Promise.race([step.then(() => owners.add(-1)), delay(20)]);
    }
    expect([...owners]).toEqual([0, -1]);
  });

  test('a megabyte of output arrives whole', async () => {
    expect((await run(shell('head -c 1000000 /dev/zero | tr "\\0" x'))).stdout).toHaveLength(1_000_000);
  });
}

function endings(run: Run): void {
  test('a status other than 0 is an error with the exit code', async () => {
    const { error } = await run(shell('exit 42'));
    expect(error).toEqual({
      code: 'SLIPWAY_RUN_FAILED',
      message: '"/bin/sh -c exit 42" exited with code 42',
      exitCode: 42,
    });
  });

  test('a signal is an error with 128 and its number', async () => {
    const { error } = await run({ args: ['sh', '-c', "sh -c 'kill -USR1 $$'; exit $?"] });
    expect(error).toMatchObject({ code: 'SLIPWAY_RUN_FAILED', exitCode: 138 });
  });

  test('a command that is not there ends with 127 and is named', async () => {
    const [bare, absolute, shellOnScratch] = await runAll(run, [
      { args: ['no-such-tool', '--flag'] },
      { args: ['/opt/no-such-tool'] },
      { args: ['/bin/sh', '-c', 'true'], root: 'scratch' },
    ]);
    expect(bare?.error).toMatchObject({
      exitCode: 127,
      message: 'cannot start "no-such-tool": not found in the image',
    });
    expect(absolute?.error).toMatchObject({ exitCode: 127 });
    expect(shellOnScratch?.error).toMatchObject({
      exitCode: 127,
      message: 'cannot start "/bin/sh": not found in the image',
    });
  });

  test('a command that is a relative path is started by that very path, from the working directory', async () => {
    const script = { type: 'file', text: '#!/bin/sh\necho "$0 $1"\n', mode: 0o755 } as const;
    const root = ['/w/run.sh', '/w/bin/tool'].map((path) => ({ ...script, path }));
    const results = await runAll(
      run,
      ['./run.sh', 'bin/tool', '/w/run.sh'].map((command) => ({ args: [command, 'x'], cwd: '/w', root })),
    );
    expect(results.map(({ stdout }) => stdout)).toEqual(['./run.sh x\n', 'bin/tool x\n', '/w/run.sh x\n']);
  });

  test('a file that cannot be executed ends with 126', async () => {
    const { error } = await run({
      args: ['/plain'],
      root: [{ path: '/plain', type: 'file', text: 'echo', mode: 0o644 }],
    });
    expect(error).toMatchObject({ exitCode: 126, message: 'cannot start "/plain": permission denied' });
  });

  test('processes left in the background end with the command', async () => {
    const result = await run(shell('sleep 100 & echo started'));
    expect(result.stdout).toBe('started\n');
    // Far less than what is left sleeping.
    expect(result.milliseconds).toBeLessThan(60_000);
  });

  test('an aborted step ends at once, and a command that handles SIGTERM is given the time to', async () => {
    const [deaf, polite] = await runAll(run, [
      { ...shell('trap "" TERM; sleep 100'), abortAfterMs: 300 },
      { ...shell('trap "echo bye; exit 3" TERM; sleep 100 & wait'), abortAfterMs: 300 },
    ]);
    expect(deaf).toMatchObject({ error: { message: 'aborted by the test' } });
    expect(polite).toMatchObject({ stdout: 'bye\n', error: { message: 'aborted by the test' } });
    // Far less than what they sleep for.
    expect(deaf?.milliseconds).toBeLessThan(60_000);
    expect(polite?.milliseconds).toBeLessThan(60_000);
  });
}

function surroundings(run: Run): void {
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
}

function traces(run: Run): void {
  test('a step that changes nothing leaves an empty layer, on any root', async () => {
    const results = await runAll(run, [
      { args: ['true'] },
      { ...shell('touch /tmp/x; rm /tmp/x'), root: [{ path: '/tmp', type: 'dir', mode: 0o1777 }] },
      { args: ['true'], mounts: [{ type: 'tmpfs', target: '/only/parents' }] },
    ]);
    expect(results.map(({ layer }) => layer.filter((line) => !line.endsWith(' /tmp')))).toEqual([[], [], []]);
  });

  test("mount targets' parents stay only where the step filled them", async () => {
    const { layer } = await run({
      ...shell('echo x >/p/beside; echo y >/p/q/r/inside'),
      mounts: [{ type: 'tmpfs', target: '/p/q/r' }],
    });
    expect(layer).toEqual(['d 755 0:0 /p', 'f 644 0:0 /p/beside']);
  });

  test('a folder that only a mount target needed is gone again, also where the step worked in it', async () => {
    const { layer, error } = await run({
      ...shell('mkdir /opt/other; rmdir /opt/other; touch /a/b/f; rm /a/b/f'),
      mounts: [
        { type: 'tmpfs', target: '/opt/t' },
        { type: 'tmpfs', target: '/a/b/c/d' },
      ],
    });
    expect([layer, error]).toEqual([[], undefined]);
  });

  test("the image's own /etc/hosts is hidden, cannot be changed, and is kept", async () => {
    const { stdout, layer } = await run({
      ...shell('cat /etc/hosts | head -1; echo x 2>/dev/null >>/etc/hosts; rm -f /etc/hosts 2>/dev/null || echo busy'),
      root: [{ path: '/etc/hosts', type: 'file', text: 'own\n' }],
    });
    expect(stdout).toBe('127.0.0.1\tlocalhost buildkitsandbox\nbusy\n');
    expect(layer).toEqual([]);
  });

  test('a working directory that the image lacks is made, as the user that starts there', async () => {
    const { stdout, layer } = await run({ ...shell('pwd'), cwd: '/srv/app', user: '33:50' });
    expect(stdout).toBe('/srv/app\n');
    expect(layer).toEqual(['d 755 33:50 /srv', 'd 755 33:50 /srv/app']);
  });

  test('three hundred layers are one root, and so is none', async () => {
    const [many, none] = await runAll(run, [
      { args: ['cat', '/top'], emptyLayers: 300, root: [{ path: '/top', type: 'file', text: 'top' }] },
      { args: ['/busybox', 'ls', '/'], root: 'scratch' },
    ]);
    expect(many?.stdout).toBe('top');
    expect(none?.error).toMatchObject({ exitCode: 127 });
  });
}

function users(run: Run): void {
  test('users, groups and home follow the image', async () => {
    const ids = shell('id -u; id -g; id -G; echo $HOME');
    const results = await runAll(
      run,
      ['', 'www-data', 'www-data:staff', '33', '33:7', '1234', '1234:5678'].map((user) => ({ ...ids, user })),
    );
    expect(results.map(({ stdout }) => stdout.trim().split('\n').join(' | '))).toEqual([
      '0 | 0 | 0 | /root',
      '33 | 33 | 33 50 | /var/www',
      '33 | 50 | 50 | /var/www',
      '33 | 33 | 33 50 | /var/www',
      '33 | 7 | 7 | /var/www',
      '1234 | 0 | 0 | /',
      '1234 | 5678 | 5678 | /',
    ]);
  });

  test('a user that the image does not know is an error', async () => {
    const { error } = await run({ args: ['true'], user: 'nosuchuser' });
    expect(error).toMatchObject({ code: 'SLIPWAY_USER_UNKNOWN' });
  });

  test('a strange /etc/passwd is refused at once', async () => {
    const strange = [
      [{ path: '/etc/passwd', type: 'fifo' }],
      [{ path: '/etc/passwd', type: 'file', sizeBytes: 5 * 1024 ** 3 }],
      [{ path: '/etc/passwd', type: 'symlink', text: '/bin' }],
    ] as const;
    const results = await runAll(
      run,
      strange.map((root) => ({ args: ['true'], user: 'www-data', root })),
    );
    expect(results.map(({ error }) => error?.code)).toEqual(strange.map(() => 'SLIPWAY_USER_FILE_INVALID'));
  });
}

function mounts(run: Run, rung: Rung): void {
  test('binds are read-only or thrown away, files and folders, with targets made where they lack', async () => {
    const files = [
      { path: '/d/f', type: 'file', text: 'orig\n' },
      { path: '/d/deep/g', type: 'file', text: 'g\n' },
    ] as const;
    const [ro, discard] = await runAll(run, [
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

  test('a folder of the host is written to, and seen through a part of it alone', async () => {
    using folder = newFolder(rung);
    const source = folder.path;
    const [first, second] = await runAll(run, [
      {
        ...shell('mkdir -p /c/in/side; echo deep >/c/in/side/f'),
        mounts: [{ type: 'host', source, target: '/c', path: '/', access: 'rw' }],
      },
      {
        ...shell('ls -A /d; cat /d/f'),
        mounts: [{ type: 'host', source, target: '/d', path: '/in/side', access: 'ro' }],
      },
    ]);
    expect(first?.error).toBeUndefined();
    expect(second?.stdout).toBe('f\ndeep\n');
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

  test('a secret has its owner and mode, and is nowhere afterwards', async () => {
    const { stdout, layer } = await run({
      ...shell('stat -c "%a %u" /run/secrets/s; cat /run/secrets/s'),
      mounts: [{ type: 'secret', target: '/run/secrets/s', text: 'hush', uid: 33, mode: 0o640 }],
    });
    expect(stdout).toBe('640 33\nhush');
    expect(layer).toEqual([]);
  });
}

function lifetime(rung: Rung): void {
  test('SIGKILL to the builder leaves no process, no mount and no cgroup', async () => {
    await using builder = startRunner(rung);
    const marker = `${100000 + Math.floor(Math.random() * 800000)}`;
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

  test('builders on one store run steps at the same time', async () => {
    await using first = startRunner(rung);
    await using other = startRunner(rung, first.folder);
    const results = await Promise.all([first.run(shell('sleep 0.2; echo a')), other.run(shell('sleep 0.2; echo b'))]);
    expect(results.map(({ stdout }) => stdout)).toEqual(['a\n', 'b\n']);
  });
}

async function until(condition: () => boolean): Promise<void> {
  for (let attempt = 0; attempt < 200; attempt++) {
    if (condition()) return;
    await delay(25);
  }
  throw new Error(`not within 5 s: ${condition}`);
}

/** Pids of processes that have `text` in their command line. */
function processesWith(text: string): string[] {
  return readdirSync('/proc').filter((pid) => {
    if (!/^\d+$/.test(pid) || Number(pid) === process.pid) return false;
    const file = `/proc/${pid}/cmdline`;
    try {
      return existsSync(file) && readFileSync(file, 'latin1').includes(text);
    } catch {
      // Gone between the two looks.
      return false;
    }
  });
}

function mountsBelow(folder: string): string[] {
  return readFileSync('/proc/self/mountinfo', 'utf8')
    .split('\n')
    .filter((line) => line.includes(folder));
}

function cgroups(): string[] {
  return readdirSync('/sys/fs/cgroup').flatMap((name) => {
    const folder = `/sys/fs/cgroup/${name}`;
    return existsSync(`${folder}/cgroup.procs`) ? readdirSync(folder).map((child) => `${folder}/${child}`) : [folder];
  });
}
