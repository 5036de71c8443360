import { statSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { newMarker, processesWith } from './rig/machine-traces.ts';
import { availableRungs, chrootRung, newFolder, type Rung, type Runner, startRunner } from './rig/rungs.ts';
import type { StepRequest, StepResult } from './rig/steps.ts';

const shell = (script: string) => ({ args: ['/bin/sh', '-c', script] });

for (const rung of [...availableRungs(), ...chrootRung()]) {
  describe(rung.name, () => {
    let runner: Runner;
    beforeAll(() => {
      runner = startRunner(rung);
    });
    afterAll(() => runner[Symbol.asyncDispose]());
    const run = (step: StepRequest) => runner.run(step);
    output(run);
    endings(run);
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

  test('an aborted step ends with all its processes, whatever signals they ignore', async () => {
    const marker = newMarker();
    const deaf = 'trap "" HUP INT TERM';
    const result = await run({
      ...shell(`${deaf}; (setsid sleep ${marker} & sleep ${marker} &); echo ready; sleep ${marker}; sleep ${marker}`),
      abortAfterOutput: 'ready',
    });
    expect(result).toMatchObject({ error: { message: 'aborted by the test' } });
    expect(processesWith(marker)).toEqual([]);
  });

  test('a command that handles SIGTERM is given the time to when its step is aborted', async () => {
    const result = await run({
      ...shell('trap "echo bye; exit 3" TERM; echo ready; sleep 100 & wait'),
      abortAfterOutput: 'ready',
    });
    expect(result).toMatchObject({ stdout: 'ready\nbye\n', error: { message: 'aborted by the test' } });
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
  test('builders on one store run steps at the same time', async () => {
    await using first = startRunner(rung);
    await using other = startRunner(rung, first.folder);
    const results = await Promise.all([first.run(shell('sleep 0.2; echo a')), other.run(shell('sleep 0.2; echo b'))]);
    expect(results.map(({ stdout }) => stdout)).toEqual(['a\n', 'b\n']);
  });
}
