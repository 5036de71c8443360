import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { text } from 'node:stream/consumers';
import { describe, expect, test } from 'vitest';
import { defaultStoreRoot, isRootless } from '../../src/executor/rootless.ts';
import { asUser, TEST_USER } from '../rig/users.ts';
import { projectForUser } from './rig/project-copy.ts';
import { availableRungs } from './rig/rungs.ts';

/** A program that enters the namespace and then does `script`, where `rootless` is the module. */
function startAs(
  user: string,
  script: string,
  env: NodeJS.ProcessEnv = {},
): ChildProcess & { stdout: NodeJS.ReadableStream } {
  const project = projectForUser();
  const program = `import * as rootless from '${project.folder}/src/executor/rootless.ts';
    const result = await rootless.ensureUserNamespace().then(() => undefined, (error) => error);
    ${script}`;
  const node = [
    project.node,
    '--disable-warning=ExperimentalWarning',
    '--input-type=module',
    '-e',
    program,
    'own argument',
  ];
  const [command = '', ...args] = asUser(node, user);
  return spawn(command, args, {
    stdio: ['ignore', 'pipe', 'inherit'],
    env: { PATH: process.env.PATH, HOME: '/home/x', ...env },
  });
}

async function outputAs(user: string, script: string, env?: NodeJS.ProcessEnv): Promise<string> {
  return (await text(startAs(user, script, env).stdout)).trim();
}

const rootless = availableRungs().find((rung) => rung.rootless);

describe.skipIf(rootless === undefined)('an ordinary user', () => {
  const user = TEST_USER;

  test('is root in the same process, with the same arguments and all ids below 65536', async () => {
    const child = startAs(user, 'console.log(process.pid, process.getuid(), process.getgid(), process.argv.at(-1))');
    const ids = outputAs(user, "console.log((await import('node:fs')).readFileSync('/proc/self/uid_map', 'utf8'))");
    expect(await text(child.stdout)).toBe(`${child.pid} 0 0 own argument\n`);
    const counts = (await ids).split('\n').map((line) => Number(line.trim().split(/\s+/)[2]));
    expect(counts.reduce((sum, count) => sum + count)).toBeGreaterThanOrEqual(65536);
  });

  test('has its exit status and the signals sent to it', async () => {
    const child = startAs(
      user,
      "process.on('SIGTERM', () => process.exit(7)); console.log('ready'); setInterval(() => {}, 1000)",
    );
    await once(child.stdout, 'data');
    child.kill('SIGTERM');
    expect(await once(child, 'exit')).toEqual([7, null]);
  });

  test('leaves no other process behind', async () => {
    const child = startAs(user, "console.log('ready'); setInterval(() => {}, 1000)");
    await once(child.stdout, 'data');
    const children = readFileSync(`/proc/${child.pid}/task/${child.pid}/children`, 'utf8').trim().split(' ');
    const alive = children.filter(
      (pid) => pid !== '' && !/^\d+ \(.*\) Z/.test(readFileSync(`/proc/${pid}/stat`, 'utf8')),
    );
    child.kill('SIGKILL');
    expect(alive).toEqual([]);
  });

  test('keeps its store in its own data folder, whatever the variable of ours says', async () => {
    const where = 'console.log(rootless.isRootless(process.env), rootless.defaultStoreRoot(process.env))';
    expect(await outputAs(user, where)).toBe('true /home/x/.local/share/slipway');
    expect(await outputAs(user, where, { XDG_DATA_HOME: '/data' })).toBe('true /data/slipway');
    expect(await outputAs(user, where, { XDG_DATA_HOME: 'relative', SLIPWAY_ROOTLESS_UID: '0' })).toBe(
      'true /home/x/.local/share/slipway',
    );
  });

  test.skipIf(process.geteuid?.() !== 0)('without subordinate ids is told how to get some', async () => {
    const plain = 'slipway-test-plain';
    if (spawnSync('id', [plain]).status !== 0) spawnSync('useradd', ['--system', plain]);
    const found = await outputAs(plain, 'console.log(result.code, result.hint)');
    expect(found).toMatch(/^SLIPWAY_SUBIDS_MISSING run: sudo usermod --add-subuids 100000-165535 slipway-test-plain/);
  });
});

test.skipIf(process.geteuid?.() !== 0)('real root is not rootless, even with the variable set', () => {
  const env = { SLIPWAY_ROOTLESS_UID: '0', HOME: '/root' };
  expect(isRootless(env)).toBe(false);
  expect(defaultStoreRoot(env)).toBe('/var/lib/slipway');
});
