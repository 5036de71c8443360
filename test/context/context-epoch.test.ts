import { execFileSync } from 'node:child_process';
import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { afterAll, expect, test } from 'vitest';
import { contextEpoch } from '../../src/context/context-epoch.ts';
import { openFolderContext } from '../../src/context/folder-context.ts';

const work = mkdtempSync(`${tmpdir()}/slipway-epoch-`);
afterAll(() => rmSync(work, { recursive: true, force: true }));

const NEVER = new AbortController().signal;
const COMMITTED = 1_600_000_000;

function repository(name: string): string {
  const folder = `${work}/${name}`;
  mkdirSync(folder);
  const env = {
    ...process.env,
    ...{ GIT_AUTHOR_NAME: 'a', GIT_AUTHOR_EMAIL: 'a@example.com', GIT_AUTHOR_DATE: '@1500000000 +0200' },
    ...{ GIT_COMMITTER_NAME: 'a', GIT_COMMITTER_EMAIL: 'a@example.com', GIT_COMMITTER_DATE: `@${COMMITTED} -0500` },
  };
  execFileSync('git', ['init', '-q', folder], { env });
  execFileSync('git', ['-C', folder, 'commit', '-q', '--allow-empty', '-m', 'first'], { env });
  return folder;
}

function epochOf(folder: string, epoch = 'context'): Promise<number | undefined> {
  const request = { context: folder, cwd: work, buildArgs: { SOURCE_DATE_EPOCH: epoch }, env: process.env };
  return contextEpoch(request, openFolderContext(folder, { description: 'the build context' }), NEVER);
}

test('SOURCE_DATE_EPOCH=context is when the commit of the context was made', async () => {
  const folder = repository('plain');
  mkdirSync(`${folder}/sub`);
  expect(await epochOf(folder)).toBe(COMMITTED);
  expect(await epochOf(`${folder}/sub`)).toBe(COMMITTED);
});

test.each([
  ['a second work tree', (from: string, to: string) => ['-C', from, 'worktree', 'add', '-q', '--detach', to]],
  ['a clone without history', (from: string, to: string) => ['clone', '-q', '--depth=1', `file://${from}`, to]],
  ['a bare repository', (from: string, to: string) => ['clone', '-q', '--bare', from, to]],
])('a context may be %s', async (name, make) => {
  const to = `${work}/${name}`;
  execFileSync('git', make(repository(`for ${name}`), to), { stdio: 'ignore' });
  expect(await epochOf(to)).toBe(COMMITTED);
});

test('a context with changes that are not committed has the time of its commit', async () => {
  const folder = repository('dirty');
  writeFileSync(`${folder}/new`, 'new');
  expect(await epochOf(folder)).toBe(COMMITTED);
});

test('where git is told to look does not matter', async () => {
  const folder = repository('told');
  const request = { context: folder, cwd: work, buildArgs: { SOURCE_DATE_EPOCH: 'context' } };
  const env = { ...process.env, GIT_DIR: '/nowhere', GIT_WORK_TREE: '/nowhere' };
  const context = openFolderContext(folder, { description: 'the build context' });
  expect(await contextEpoch({ ...request, env }, context, NEVER)).toBe(COMMITTED);
});

test('any other value asks for no commit', async () => {
  expect(await epochOf(work, '5')).toBeUndefined();
});

test('a context outside of any commit is refused', async () => {
  mkdirSync(`${work}/none`);
  await expect(epochOf(`${work}/none`)).rejects.toMatchObject({ code: 'SLIPWAY_EPOCH_UNKNOWN' });
  execFileSync('git', ['init', '-q', `${work}/unborn`]);
  await expect(epochOf(`${work}/unborn`)).rejects.toMatchObject({ code: 'SLIPWAY_EPOCH_UNKNOWN' });
});

test('nothing that a repository configures is run', async () => {
  const folder = repository('hostile');
  const program = `${work}/program`;
  writeFileSync(program, `#!/bin/sh\ntouch ${work}/was-run\n`);
  chmodSync(program, 0o755);
  for (const name of ['core.pager', 'core.fsmonitor', 'gpg.program', 'core.sshCommand', 'alias.log'])
    execFileSync('git', ['-C', folder, 'config', name, name === 'alias.log' ? `!${program}` : program]);
  execFileSync('git', ['-C', folder, 'config', 'log.showSignature', 'true']);
  expect(await epochOf(folder)).toBe(COMMITTED);
  expect(() => execFileSync('test', ['-e', `${work}/was-run`])).toThrow();
});
