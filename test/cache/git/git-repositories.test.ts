import { execFileSync } from 'node:child_process';
import { lstatSync, readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { type GitRig, gitSource, openGitRig } from '../../rig/git-repositories.ts';
import { type GitServer, startGitServer, type TestRepository } from '../../rig/git-server.ts';

let server: GitServer;
let rig: GitRig;
let repository: TestRepository;

beforeEach(async () => {
  server = await startGitServer();
  rig = openGitRig();
  repository = server.repository('app');
});

afterEach(async () => {
  rig[Symbol.dispose]();
  await server[Symbol.asyncDispose]();
});

const { signal } = new AbortController();
const resolve = (source: Parameters<typeof gitSource>[0]) => rig.git.resolve(gitSource(source), { signal });
const names = (folder: string) => readdirSync(folder).sort();
const text = (path: string) => readFileSync(path, 'utf8');

describe('what a ref means', () => {
  test('is the default branch where none is named', async () => {
    const object = repository.commit({ a: '1' });
    expect(await resolve({ url: repository.url })).toEqual({ object, ref: 'refs/heads/main' });
  });

  test('is a branch before a tag of the same name', async () => {
    const first = repository.commit({ a: '1' });
    repository.git('tag', 'v1');
    repository.git('push', '-q', 'origin', 'v1');
    repository.git('checkout', '-q', '-b', 'other');
    const second = repository.commit({ a: '2' });
    repository.git('push', '-q', 'origin', `${second}:refs/heads/v1`);
    expect(await resolve({ url: repository.url, ref: 'v1' })).toEqual({ object: second, ref: 'refs/heads/v1' });
    expect(await resolve({ url: repository.url, ref: 'refs/tags/v1' })).toEqual({
      object: first,
      ref: 'refs/tags/v1',
    });
  });

  test('is the commit behind an annotated tag as well', async () => {
    const commit = repository.commit({ a: '1' });
    repository.git('tag', '-a', '-m', 'tag', 'v1');
    repository.git('push', '-q', 'origin', 'v1');
    const object = repository.git('rev-parse', 'v1');
    expect(await resolve({ url: repository.url, ref: 'v1' })).toEqual({ object, ref: 'refs/tags/v1', peeled: commit });
    expect(names(await rig.checkOut({ url: repository.url, ref: 'v1', checksum: commit }))).toEqual(['a']);
  });

  test('needs no server where it is a commit', async () => {
    const object = repository.commit({ a: '1' });
    server.intercept = () => {
      throw new Error('asked');
    };
    expect(await resolve({ url: repository.url, ref: object })).toEqual({ object });
  });

  test('is checked against the checksum', async () => {
    const object = repository.commit({ a: '1' });
    expect((await resolve({ url: repository.url, checksum: object.slice(0, 8) })).object).toBe(object);
    await expect(resolve({ url: repository.url, checksum: 'beef' })).rejects.toMatchObject({
      code: 'SLIPWAY_CHECKSUM_MISMATCH',
      message: expect.stringContaining(object),
    });
    await expect(resolve({ url: repository.url, checksum: '--x' })).rejects.toMatchObject({
      code: 'SLIPWAY_CHECKSUM_INVALID',
    });
  });

  test('is an error that says so where the server has none of that name', async () => {
    repository.commit({ a: '1' });
    await expect(resolve({ url: repository.url, ref: 'nope' })).rejects.toMatchObject({
      code: 'SLIPWAY_GIT_REF_UNKNOWN',
      message: `${repository.url} does not contain the ref nope`,
    });
  });
});

describe('a checkout', () => {
  test('has the files with the modes that git knows, and no .git', async () => {
    repository.commit({ a: 'text', 'd/run': { program: '#!' }, l: { symlink: '../outside' } });
    const before = process.umask(0o077);
    try {
      const folder = await rig.checkOut({ url: repository.url });
      expect(names(folder)).toEqual(['a', 'd', 'l']);
      const mode = (path: string) => lstatSync(`${folder}/${path}`).mode & 0o7777;
      expect([mode('.'), mode('a'), mode('d'), mode('d/run')]).toEqual([0o755, 0o644, 0o755, 0o755]);
      expect(readlinkSync(`${folder}/l`)).toBe('../outside');
    } finally {
      process.umask(before);
    }
  });

  test('is of an older commit that no ref names', async () => {
    const first = repository.commit({ a: '1' });
    repository.commit({ a: '2' });
    expect(text(`${await rig.checkOut({ url: repository.url, ref: first })}/a`)).toBe('1');
  });

  test('of a commit that was fetched before needs no server', async () => {
    const commit = repository.commit({ a: '1' });
    await rig.checkOut({ url: repository.url });
    const asked = server.requests.length;
    expect(names(await rig.checkOut({ url: repository.url, ref: commit }))).toEqual(['a']);
    expect(server.requests).toHaveLength(asked);
  });

  test('follows a branch that was moved by force', async () => {
    repository.commit({ a: '1' });
    await rig.checkOut({ url: repository.url });
    repository.git('commit', '-q', '--amend', '--allow-empty', '-m', 'other');
    repository.commit({ a: '2' });
    expect(text(`${await rig.checkOut({ url: repository.url, ref: 'main' })}/a`)).toBe('2');
  });

  test('of a folder has what is in the folder', async () => {
    repository.commit({ top: '', 'x/y/f': '', 'x/y/g/h': '' });
    expect(names(await rig.checkOut({ url: repository.url, subdir: 'x/y', keepGitDir: true }))).toEqual(['f', 'g']);
    await expect(rig.checkOut({ url: repository.url, subdir: 'x/nope' })).rejects.toMatchObject({
      code: 'SLIPWAY_GIT_SUBDIR_INVALID',
    });
  });

  test('of an empty commit is empty', async () => {
    repository.git('commit', '-q', '--allow-empty', '-m', 'empty');
    repository.git('push', '-q', 'origin', 'HEAD');
    expect(names(await rig.checkOut({ url: repository.url }))).toEqual([]);
  });

  test('has the time of the commit where that is asked for', async () => {
    repository.commit({ 'd/f': '', l: { symlink: 'd' } }, 1_500_000_000);
    const folder = await rig.checkOut({ url: repository.url, mtime: 'commit' });
    for (const path of ['.', 'd', 'd/f', 'l']) expect(lstatSync(`${folder}/${path}`).mtimeMs).toBe(1_500_000_000_000);
  });

  test('keeps .git where that is asked for: one commit, its ref, and where it came from', async () => {
    repository.commit({ a: '1' });
    const commit = repository.commit({ a: '2' });
    const folder = await rig.checkOut({ url: repository.url.replace('://', '://user:pw@'), keepGitDir: true });
    const git = (...args: string[]) => execFileSync('git', args, { cwd: folder }).toString().trim();
    expect(git('rev-parse', 'HEAD', 'refs/heads/main').split('\n')).toEqual([commit, commit]);
    expect(git('rev-list', '--count', 'HEAD')).toBe('1');
    expect(git('status', '--porcelain')).toBe('');
    expect(git('remote', 'get-url', 'origin')).toBe(repository.url);
    expect(names(`${folder}/.git`)).not.toContain('hooks');
  });

  test('has the submodules, of submodules too, unless they are not wanted', async () => {
    const inner = server.repository('inner');
    inner.commit({ i: '' });
    const middle = server.repository('middle');
    middle.commit({ m: '' });
    middle.addSubmodule('inner', inner, inner.url);
    middle.commit({});
    repository.commit({ a: '' });
    repository.addSubmodule('sub', middle, '../middle.git');
    repository.commit({});

    const folder = await rig.checkOut({ url: repository.url });
    expect(names(folder)).toEqual(['.gitmodules', 'a', 'sub']);
    expect(names(`${folder}/sub`)).toEqual(['.gitmodules', 'inner', 'm']);
    expect(names(`${folder}/sub/inner`)).toEqual(['i']);
    expect(names(`${await rig.checkOut({ url: repository.url, submodules: false })}/sub`)).toEqual([]);
    const kept = await rig.checkOut({ url: repository.url, keepGitDir: true });
    expect(text(`${kept}/sub/.git`)).toBe('gitdir: ../.git/modules/sub\n');
  });

  test('is made by several processes’ worth of builds at once', async () => {
    repository.commit({ a: '1' });
    const folders = await Promise.all([1, 2, 3].map(() => rig.checkOut({ url: repository.url })));
    expect(folders.map((folder) => names(folder))).toEqual([['a'], ['a'], ['a']]);
    expect(new Set(folders).size).toBe(3);
  });

  test('ends with the build', async () => {
    repository.commit({ a: '1' });
    server.intercept = () => true;
    const stop = new AbortController();
    setTimeout(() => stop.abort(new Error('stopped')), 200);
    await expect(rig.git.resolve(gitSource({ url: repository.url }), { signal: stop.signal })).rejects.toThrow(
      'stopped',
    );
  });
});

describe('access', () => {
  const locked = (expected: string) => {
    server.intercept = ({ headers }, response) => {
      if (headers.authorization === expected) return false;
      response.writeHead(401, { 'www-authenticate': 'Basic' }).end();
      return true;
    };
  };
  const basic = (login: string) => `Basic ${Buffer.from(login).toString('base64')}`;

  test.each([
    ['GIT_AUTH_TOKEN', 'tok\n', basic('x-access-token:tok')],
    ['GIT_AUTH_HEADER', 'Bearer abc', 'Bearer abc'],
    ['GIT_AUTH_TOKEN.HOST', 'tok', basic('x-access-token:tok')],
  ])('comes from the secret %s', async (id, secret, header) => {
    repository.commit({ a: '1' });
    locked(header);
    using own = openGitRig({ [id.replace('HOST', new URL(server.origin).host)]: secret });
    expect(names(await own.checkOut({ url: repository.url }))).toEqual(['a']);
  });

  test('comes from the URL', async () => {
    repository.commit({ a: '1' });
    locked(basic('user:p w'));
    expect(names(await rig.checkOut({ url: repository.url.replace('://', '://user:p%20w@') }))).toEqual(['a']);
  });

  test('that is missing is an error with a hint', async () => {
    repository.commit({ a: '1' });
    locked('other');
    await expect(resolve({ url: repository.url })).rejects.toMatchObject({
      code: 'SLIPWAY_GIT_FAILED',
      hint: expect.stringContaining('GIT_AUTH_TOKEN'),
    });
  });
});
