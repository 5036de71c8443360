import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { DEFAULT_CAPABILITIES } from '../../src/executor/capabilities.ts';
import { describeWhere, type Requirement, root } from '../rig/requirements.ts';
import { BUSYBOX, type Runner, startRunner } from './rig/rungs.ts';
import type { StepRequest } from './rig/steps.ts';

const busybox: Requirement = () => (BUSYBOX === undefined ? 'there is no static busybox' : undefined);
const shell = (script: string) => ({ args: ['/bin/sh', '-c', script] });

describeWhere('chroot isolation', [root, busybox], () => {
  let runner: Runner;
  beforeAll(() => {
    runner = startRunner({ name: 'chroot as root', runtime: 'chroot', rootless: false });
  });
  afterAll(() => runner[Symbol.asyncDispose]());
  const run = (step: StepRequest) => runner.run(step);
  const folder = (name: string) => {
    const path = `${runner.folder}/${name}`;
    mkdirSync(path);
    return path;
  };

  test('output comes on the stream it was written to, also by /dev/stdout and another user', async () => {
    const script = 'echo out; echo err >&2; echo a >/dev/stdout; echo b >/dev/stderr';
    expect(await run({ ...shell(script), user: 'www-data' })).toMatchObject({ stdout: 'out\na\n', stderr: 'err\nb\n' });
  });

  test.each([
    [shell('exit 3'), { code: 'SLIPWAY_RUN_FAILED', exitCode: 3 }],
    [shell('kill -9 $$'), { code: 'SLIPWAY_RUN_FAILED', exitCode: 137 }],
    [{ args: ['nothing'] }, { code: 'SLIPWAY_RUN_FAILED', exitCode: 127 }],
    [{ args: ['/etc/passwd'] }, { code: 'SLIPWAY_RUN_FAILED', exitCode: 126 }],
    [{ ...shell('true'), user: 'nobody-here' }, { code: 'SLIPWAY_USER_UNKNOWN' }],
  ])('a step that fails says how: %o', async (step, error) => {
    expect(await run(step)).toMatchObject({ error });
  });

  test('a step that changes nothing leaves an empty layer, whatever is provided and mounted', async () => {
    const result = await run({
      ...shell('cat /etc/hosts /etc/resolv.conf /m/a/secret /s/f; echo x > /dev/shm/x; echo y > /t/y'),
      mounts: [
        { type: 'secret', target: '/m/a/secret', text: 'secret', uid: 0, mode: 0o400 },
        { type: 'stack', target: '/s', files: [{ path: '/f', type: 'file', text: 'file' }], path: '/', access: 'ro' },
        { type: 'tmpfs', target: '/t' },
        { type: 'tmpfs', target: '/tmp' },
      ],
    });
    expect(result).toMatchObject({
      stdout: expect.stringMatching(/localhost buildkitsandbox[\s\S]*secretfile$/),
      layer: [],
    });
  });

  test('what changed is found: content under an old time, modes, removed and replaced files, new names of old ones', async () => {
    const files = ['kept', 'rewritten', 'mode', 'gone', 'linked', 'folder/old'];
    const result = await run({
      root: files.map((name) => ({ path: `/d/${name}`, type: 'file', text: 'aa' })),
      ...shell(`cd /d; touch -r rewritten /tmp/time; echo b > rewritten; touch -r /tmp/time rewritten; rm /tmp/time
        chmod 600 mode; rm gone; ln linked new; rm -r folder; mkdir folder; echo x > folder/young`),
    });
    expect(result.layer).toEqual([
      'd 755 0:0 /d',
      'd 755 0:0 /d/folder',
      'f 644 0:0 /d/folder/young',
      'c 600 0:0 /d/gone',
      'f 644 0:0 /d/linked',
      'f 600 0:0 /d/mode',
      'f 644 0:0 /d/new',
      'f 644 0:0 /d/rewritten',
      'd 1777 0:0 /tmp',
    ]);
  });

  test('what a step did before it failed is in its layer', async () => {
    expect(await run(shell('echo x > /made; exit 5'))).toMatchObject({
      error: { exitCode: 5 },
      layer: ['f 644 0:0 /made'],
    });
  });

  test('every process ends with the step, those that went into the background and sessions of their own too', async () => {
    const name = `9${process.pid}`;
    await run(shell(`(setsid sh -c 'setsid sleep ${name} & sleep ${name}' &) ; sleep 0.2; sleep ${name} &`));
    expect(processesNamed(name)).toEqual([]);
  });

  test('an aborted step ends with all its processes, also when it ignores signals', async () => {
    const name = `8${process.pid}`;
    const result = await run({
      ...shell(`trap '' TERM INT; sleep ${name} & sleep ${name}; sleep ${name}`),
      abortAfterMs: 1000,
    });
    expect(result).toMatchObject({ error: { message: 'aborted by the test' } });
    // Far less than what the step sleeps for.
    expect(result.milliseconds).toBeLessThan(60_000);
    expect(processesNamed(name)).toEqual([]);
  });

  test("neither the builder's environment nor its descriptors reach a step, and it cannot chroot", async () => {
    const script =
      'env; for n in 3 4 5 6 7 8 9; do (true >&$n) 2>/dev/null && echo open $n; done; chroot / true || echo no';
    const { stdout } = await run(shell(script));
    expect(stdout).not.toMatch(/canary|open/);
    expect(stdout).toMatch(/no\n$/);
  });

  test.each([
    ['hidden', 'hideMemory', ''],
    ['not hidden', 'tryLock', 'canary-of-the-builder'],
  ])("the builder's environment is %s from root with docker's capabilities", (_, call, seen) => {
    const docker = DEFAULT_CAPABILITIES.map((name) => `+${name.replace('CAP_', '').toLowerCase()}`).join(',');
    const module = new URL('../../src/executor/chroot/chroot-syscalls.ts', import.meta.url).href;
    const script = `const calls = (await import('${module}')).chrootSyscalls(); calls.${call}(0);
      const { spawnSync } = await import('node:child_process');
      process.stdout.write(spawnSync('cat', ['/proc/' + process.pid + '/environ'], { env: {} }).stdout);`;
    const words = ['--bounding-set', `-all,${docker}`, '--', process.execPath, '--input-type=module', '-e', script];
    const env = { PATH: process.env.PATH, BUILDER: 'canary-of-the-builder', NODE_NO_WARNINGS: '1' };
    const { stdout, stderr } = spawnSync('setpriv', words, { encoding: 'utf8', env });
    expect(stderr).toBe('');
    expect(stdout.match(/canary-of-the-builder/)?.[0] ?? '').toBe(seen);
  });

  test('a secret is gone afterwards, wherever the step moved or linked it to', async () => {
    const secret = { type: 'secret', target: '/run/s', text: 'canary', uid: 0, mode: 0o400 } as const;
    const script = 'ln /run/s /linked; mkdir /moved; mv /run/s /moved/here; echo mine > /new';
    const { layer, error } = await run({ ...shell(script), mounts: [secret] });
    expect(error).toBeUndefined();
    expect(layer).toEqual(['d 755 0:0 /moved', 'f 644 0:0 /new']);
  });

  test('a cache keeps what a step makes of it, and a mount whose writes are discarded does not', async () => {
    const [cache, other] = [folder('cache-of-test'), folder('other-of-test')];
    for (const path of [`${cache}/content`, `${other}/content`]) {
      mkdirSync(path);
      writeFileSync(`${path}/old`, 'old');
      writeFileSync(`${path}/gone`, '');
    }
    const script = 'for d in /c /o; do echo new > $d/new; echo more >> $d/old; rm $d/gone; done; exit 4';
    const result = await run({
      ...shell(script),
      mounts: [
        { type: 'host', target: '/c', source: `${cache}/content`, path: '/', access: 'rw' },
        { type: 'host', target: '/o', source: `${other}/content`, path: '/', access: 'discard' },
      ],
    });
    expect(result.error?.exitCode).toBe(4);
    expect(readdirSync(`${cache}/content`).sort()).toEqual(['new', 'old']);
    expect(readFileSync(`${cache}/content/old`, 'utf8')).toBe('oldmore\n');
    expect(readdirSync(`${other}/content`).sort()).toEqual(['gone', 'old']);
    expect(readFileSync(`${other}/content/old`, 'utf8')).toBe('old');
  });

  test('a socket of the host can be talked to, by its new owner', async () => {
    const path = `${runner.folder}/agent.sock`;
    const server = createServer((client) => client.end('hello')).listen(path);
    const mount = { type: 'socket', target: '/run/agent', source: path, uid: 33, mode: 0o600 } as const;
    const result = await run({ ...shell('[ -S /run/agent ] && stat -c "%u %a" /run/agent'), mounts: [mount] });
    server.close();
    expect(result).toMatchObject({ stdout: '33 600\n', layer: [] });
  });

  test.each(['/etc', '/dev', '/proc', '/run'])(
    'a root whose %s is a symlink reaches nothing outside of it',
    async (name) => {
      const outside = folder(`outside${name.replace('/', '-')}`);
      const result = await run({
        root: [{ path: name, type: 'symlink', text: outside }],
        ...shell('echo ran'),
        mounts: [{ type: 'secret', target: '/run/s', text: 's', uid: 0, mode: 0o400 }],
      });
      expect(result.error?.code ?? 'ran').toMatch(/^(ran|SLIPWAY_MOUNT_TARGET_INVALID)$/);
      expect(readdirSync(outside)).toEqual([]);
    },
  );

  test('a step that puts symlinks in the places of mounts has nothing removed through them', async () => {
    const outside = folder('outside-of-mounts');
    writeFileSync(`${outside}/hosts`, 'of the machine');
    const script = `mv /etc /etc2; ln -s ${outside} /etc; rm -r /m; ln -s ${outside} /m`;
    await run({ ...shell(script), mounts: [{ type: 'tmpfs', target: '/m/hosts' }] });
    expect(readFileSync(`${outside}/hosts`, 'utf8')).toBe('of the machine');
  });

  test.each([
    ['a network of its own', { network: 'none' }],
    ['more privileges', { security: 'insecure' }],
    ['a /dev/shm of its own size', { shmSizeBytes: 1024 }],
    ['a limit for what is written to /t', { mounts: [{ type: 'tmpfs', target: '/t', sizeBytes: 4096 }] }],
  ] as const)('%s is refused, not left out', async (what, asked) => {
    const { error } = await run({ ...shell('true'), ...asked });
    expect(error).toMatchObject({ code: 'SLIPWAY_CHROOT_UNSUPPORTED', message: expect.stringContaining(what) });
  });

  test('nothing of a step is left beside the root that is kept for the next', async () => {
    await run(shell('true'));
    const [name = ''] = readdirSync(runner.folder).filter((found) => found.startsWith('scratch-'));
    const scratch = `${runner.folder}/${name}`;
    expect(readdirSync(scratch).filter((name) => !name.startsWith('root-'))).toEqual([]);
    expect(readdirSync(scratch).length).toBeLessThanOrEqual(2);
    const roots = readdirSync(scratch).map((name) => `${scratch}/${name}`);
    for (const path of roots) expect(existsSync(`${path}/dev/null`)).toBe(false);
  });
});

function processesNamed(word: string): string[] {
  const pids = readdirSync('/proc').filter((name) => /^\d+$/.test(name));
  return pids.filter((pid) => {
    try {
      return readFileSync(`/proc/${pid}/cmdline`, 'latin1').split('\0').includes(word);
    } catch {
      // It ended meanwhile.
      return false;
    }
  });
}
