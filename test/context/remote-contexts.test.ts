import { execFileSync } from 'node:child_process';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { createServer, type Server } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { build, type GivenRequest } from '../../src/library.ts';
import { type GitServer, startGitServer } from '../rig/git-server.ts';
import { close, listen } from '../rig/local-server.ts';

let folder: string;
let git: GitServer;
let web: Server;
let origin: string;
/** What the web server has, by path. */
let pages: Record<string, Buffer | string>;

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'slipway-remote-'));
  git = await startGitServer();
  pages = {};
  web = createServer(({ url = '' }, response) => {
    const page = pages[url];
    response.writeHead(page === undefined ? 404 : 200).end(page);
  });
  origin = `http://127.0.0.1:${await listen(web)}`;
});

afterEach(async () => {
  await close(web);
  await git[Symbol.asyncDispose]();
  rmSync(folder, { recursive: true, force: true });
});

/** A new folder with these files. */
function folderWith(name: string, files: Readonly<Record<string, string>>): string {
  mkdirSync(join(folder, name));
  for (const [path, text] of Object.entries(files)) writeFileSync(join(folder, name, path), text);
  return join(folder, name);
}

/** Builds into a folder; the files of the result by their paths. */
async function built(request: GivenRequest): Promise<Readonly<Record<string, string>>> {
  const dest = join(folder, 'out');
  rmSync(dest, { recursive: true, force: true });
  await build({ root: join(folder, 'store'), outputs: [{ type: 'local', dest, attributes: {} }], ...request });
  const files = readdirSync(dest, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile());
  return Object.fromEntries(
    files.map(({ parentPath, name }) => {
      const path = join(parentPath, name);
      return [path.slice(dest.length), readFileSync(path, 'utf8')];
    }),
  );
}

async function* bytesOf(text: string): AsyncGenerator<Uint8Array> {
  yield Buffer.from(text);
}

test('the context is a repository, a folder of it, or its .git as well; its ignore file is not heeded', async () => {
  const repository = git.repository('app');
  const dockerfile = 'FROM scratch\nCOPY . /\n';
  repository.commit({
    Dockerfile: dockerfile,
    a: 'top',
    '.dockerignore': 'a',
    'sub/Dockerfile': dockerfile,
    'sub/b': 'in',
  });
  expect(Object.keys(await built({ context: repository.url })).sort()).toEqual([
    '/.dockerignore',
    '/Dockerfile',
    '/a',
    '/sub/Dockerfile',
    '/sub/b',
  ]);
  expect(await built({ context: `${repository.url}#main:sub` })).toEqual({ '/Dockerfile': dockerfile, '/b': 'in' });
  const buildArgs = { BUILDKIT_CONTEXT_KEEP_GIT_DIR: '1' };
  expect(await built({ context: repository.url, buildArgs })).toHaveProperty('/.git/HEAD');
});

test('the context is a tarball or a Dockerfile on the web, or a Dockerfile on standard input', async () => {
  const files = folderWith('packed', { 'other.Dockerfile': 'FROM scratch\nCOPY a /\n', a: 'packed' });
  execFileSync('tar', ['-czf', join(folder, 'c.tgz'), '-C', files, '.']);
  pages['/c.tgz'] = readFileSync(join(folder, 'c.tgz'));
  pages['/Dockerfile'] = `FROM scratch\nADD ${origin}/file /\n`;
  pages['/file'] = 'from the web';
  expect(await built({ context: `${origin}/c.tgz`, file: 'other.Dockerfile' })).toEqual({ '/a': 'packed' });
  expect(await built({ context: `${origin}/Dockerfile` })).toEqual({ '/file': 'from the web' });
  expect(await built({ context: '-', stdin: bytesOf(pages['/Dockerfile']) })).toEqual({ '/file': 'from the web' });
});

test('the Dockerfile of a folder comes from the web or from standard input', async () => {
  const context = folderWith('context', { a: 'here' });
  pages['/D'] = 'FROM scratch\nCOPY a /web\n';
  expect(await built({ context, file: `${origin}/D` })).toEqual({ '/web': 'here' });
  const stdin = bytesOf('FROM scratch\nCOPY a /stdin\n');
  expect(await built({ context, file: '-', stdin })).toEqual({ '/stdin': 'here' });
});

test('named contexts of every kind replace images and stages, in FROM and in COPY --from', async () => {
  const repository = git.repository('lib');
  repository.commit({ 'src/l': 'of git' });
  pages['/p'] = 'of the web';
  const layout = join(folder, 'layout');
  const context = folderWith('context', { Dockerfile: 'FROM scratch\nCOPY Dockerfile /image\n' });
  await build({
    context,
    root: join(folder, 'store'),
    outputs: [{ type: 'oci', dest: layout, attributes: { tar: 'false' } }],
  });
  expect(existsSync(join(layout, 'index.json'))).toBe(true);
  writeFileSync(
    join(context, 'Dockerfile'),
    `FROM alpine AS base
FROM scratch AS web
FROM base
COPY --from=debian /l /git
COPY --from=web /context /web
COPY --from=files /f /
`,
  );
  const buildContexts = {
    alpine: `oci-layout://${layout}`,
    debian: `${repository.url}#main:src`,
    web: `${origin}/p`,
    files: folderWith('files', { f: 'of a folder' }),
  };
  expect(await built({ context, buildContexts })).toEqual({
    '/image': 'FROM scratch\nCOPY Dockerfile /image\n',
    '/git': 'of git',
    '/web': 'of the web',
    '/f': 'of a folder',
  });
  const onWeb = { ...buildContexts, alpine: `${repository.url}#main:src` };
  expect(await built({ context, buildContexts: onWeb })).toMatchObject({ '/l': 'of git', '/f': 'of a folder' });
});

test('a target that a folder stands in for is that folder', async () => {
  const context = folderWith('context', { Dockerfile: 'FROM scratch AS site\nCOPY nothing /\n' });
  const buildContexts = { site: folderWith('files', { f: 'of a folder' }) };
  expect(await built({ context, target: 'site', buildContexts })).toEqual({ '/f': 'of a folder' });
});

test('no password of a URL is in the image, its history or the store', async () => {
  const repository = git.repository('app');
  repository.commit({ a: 'text' });
  const url = repository.url.replace('://', '://user:canary-4711@');
  pages['/f'] = 'f';
  const file = `${origin}/f`.replace('://', '://user:canary-4711@');
  const context = folderWith('context', {
    Dockerfile: `FROM scratch\nCOPY --from=lib a /\nADD ${url} /b/\nADD ${file} /c\n`,
  });
  const dest = join(folder, 'image.tar');
  await build({
    context,
    root: join(folder, 'store'),
    buildContexts: { lib: url },
    outputs: [{ type: 'oci', dest, attributes: {} }],
  });
  const everything = readdirSync(join(folder, 'store'), { recursive: true, withFileTypes: true });
  const paths = everything.filter((entry) => entry.isFile()).map(({ parentPath, name }) => join(parentPath, name));
  const leaks = [...paths, dest].filter((path) => readFileSync(path).includes('canary-4711'));
  expect(leaks).toEqual([]);
});

test('SOURCE_DATE_EPOCH=context is the time of the commit that a repository’s ref means', async () => {
  const repository = git.repository('app');
  repository.commit({ Dockerfile: 'FROM scratch\nCOPY a /\n', a: '1' }, 1_500_000_000);
  repository.git('tag', '-a', '-m', 'tag', 'v1');
  repository.git('push', '-q', 'origin', 'v1');
  repository.commit({ a: '2' }, 1_600_000_000);
  const buildArgs = { SOURCE_DATE_EPOCH: 'context' };
  for (const [ref, seconds] of [
    ['v1', 1_500_000_000],
    ['main', 1_600_000_000],
  ] as const) {
    await built({ context: `${repository.url}#${ref}`, buildArgs });
    expect(statSync(join(folder, 'out', 'a')).mtimeMs).toBe(seconds * 1000);
  }
});
