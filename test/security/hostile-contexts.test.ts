import { lstatSync, mkdirSync, readdirSync, readFileSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { SlipwayError } from '../../src/core/errors.ts';
import { build, type GivenRequest } from '../../src/library.ts';
import { startGitServer } from '../rig/git-server.ts';
import { close, listen } from '../rig/local-server.ts';
import { type TarSketch, tarOf } from '../rig/tar.ts';
import { temporaryFolder } from '../rig/temporary-folder.ts';

const SECRET = 'of-the-host-alone';

let folder: string;
let victim: string;
let before: readonly string[];
let builds = 0;
beforeEach(() => {
  folder = temporaryFolder('hostile-context');
  victim = `${folder}/victim`;
  mkdirSync(`${victim}/sub`, { recursive: true });
  for (const name of ['Dockerfile', 'file', 'sub/Dockerfile', '.dockerignore'])
    writeFileSync(`${victim}/${name}`, `FROM scratch\nLABEL secret=${SECRET}\nCOPY . /${SECRET}/\n`);
  before = stateOf(victim);
});
afterEach(() => expect(stateOf(victim)).toEqual(before));

/** The error's code and message, or the files of the result; neither has anything of the victim in it. */
async function outcome(request: GivenRequest): Promise<string> {
  const output = `${folder}/output-${builds++}`;
  const outputs = [
    { type: 'local', dest: output, attributes: {} },
    { type: 'oci', dest: `${output}.tar`, attributes: {} },
  ] as const;
  let said: string;
  try {
    await build({ root: `${folder}/store`, cwd: folder, outputs, ...request });
    said = filesBelow(output).join(' ');
    for (const file of filesBelow(output)) {
      if (lstatSync(join(output, file)).isFile())
        expect(readFileSync(join(output, file), 'utf8')).not.toContain(SECRET);
    }
    expect(readFileSync(`${output}.tar`).includes(SECRET)).toBe(false);
  } catch (error) {
    if (!(error instanceof SlipwayError)) throw error;
    said = `${error.code} ${error.message} ${error.source?.text ?? ''} ${error.outputTail?.join() ?? ''}`;
  }
  expect(said).not.toContain(SECRET);
  return said;
}

async function* oneChunk(bytes: Buffer): AsyncGenerator<Buffer> {
  yield bytes;
}

describe('CVE-2026-44517, CVE-2020-10696: an archive as the context', () => {
  const link = (path: string, target: string): TarSketch => ({ path, type: 'symlink', target });
  const archive = (...sketches: readonly TarSketch[]) => ({ context: '-', stdin: oneChunk(tarOf(...sketches)) });
  const harmless: TarSketch = { path: 'Dockerfile', text: 'FROM scratch\nCOPY . /in/\n' };

  it('has no Dockerfile that is a symlink to the host', async () => {
    for (const target of [
      `${victim}/Dockerfile`,
      `../../../../../..${victim}/Dockerfile`,
      '/proc/self/environ',
      '/dev/zero',
    ])
      expect(await outcome(archive(link('Dockerfile', target), { path: 'a', text: 'x' }))).toMatch(
        /^SLIPWAY_DOCKERFILE_/,
      );
  });

  it('is not left by -f over a symlink', async () => {
    for (const file of ['sub/Dockerfile', 'sub/sub/Dockerfile', 'sub/../victim/Dockerfile', `sub${victim}/Dockerfile`])
      for (const target of [victim, '/', `../../../../../../..${victim}`])
        expect(await outcome({ ...archive(link('sub', target), harmless), file })).toMatch(/^SLIPWAY_|^in\/Dockerfile/);
  });

  it('has no files behind its symlinks, read or written', async () => {
    const said = await outcome(
      archive(link('a', victim), { path: 'a/file', text: 'written' }, { path: 'a/new', text: 'written' }, harmless),
    );
    expect(said).toMatch(/^SLIPWAY_|^in/);
    for (const copied of ['a/file', 'a/sub', 'a/.', 'a/sub/Dockerfile'])
      expect(
        await outcome(archive(link('a', victim), { path: 'Dockerfile', text: `FROM scratch\nCOPY ${copied} /in/\n` })),
      ).toMatch(/^SLIPWAY_/);
  });

  it('has no ignore file of the host', async () => {
    expect(await outcome(archive(link('.dockerignore', `${victim}/.dockerignore`), harmless))).toMatch(/Dockerfile/);
  });
});

describe('CVE-2026-44517: a repository or a folder as the context', () => {
  it('has no files behind its symlinks', async () => {
    await using server = await startGitServer();
    const repository = server.repository('app');
    repository.commit({
      link: { symlink: victim },
      'd/Dockerfile': { symlink: `${victim}/Dockerfile` },
      Dockerfile: 'FROM scratch\nCOPY link/file /in/\n',
      'e/Dockerfile': 'FROM scratch\nCOPY --from=again link/sub /in/\n',
      'e/x': '',
    });
    expect(await outcome({ context: repository.url })).toMatch(/^SLIPWAY_/);
    expect(await outcome({ context: `${repository.url}#main:d` })).toMatch(/^SLIPWAY_/);
    expect(await outcome({ context: repository.url, file: 'link/Dockerfile' })).toMatch(/^SLIPWAY_/);
    const again = { buildContexts: { again: repository.url } };
    expect(await outcome({ context: `${repository.url}#main:e`, ...again })).toMatch(/^SLIPWAY_/);
  });

  it('gives nothing of what its symlinks lead to, but the links', async () => {
    const context = `${folder}/context`;
    mkdirSync(context);
    writeFileSync(`${context}/Dockerfile`, 'FROM scratch\nCOPY . /in/\n');
    for (const [name, target] of [
      ['absolute', victim],
      ['relative', '../victim'],
      ['file', '../victim/file'],
    ] as const)
      symlinkSync(target, `${context}/${name}`);
    expect(await outcome({ context })).toContain('in/absolute');
    for (const source of ['absolute/file', 'relative/file', 'relative/sub', 'file/']) {
      writeFileSync(`${context}/Dockerfile`, `FROM scratch\nCOPY ${source} /in/\n`);
      await outcome({ context });
    }
  });
});

describe('CVE-2026-33747: the name of an added file', () => {
  it.each([
    '/x/..%2f..%2f..%2fetc/cron.d/x',
    '/x/..%2f..%2fvictim%2ffile',
    '/%2e%2e/%2e%2e/victim/file',
    '/..%5c..%5cvictim',
    '/%00victim',
    '/x/%2e%2e',
    '/a/..',
    '/',
    '/?../../victim/file',
    '/x#/../../victim/file',
  ])('leads nowhere else: %s', async (path) => {
    const server = createServer((_request, response) => {
      response
        .writeHead(200, { 'content-disposition': 'attachment; filename="../../../victim/file"' })
        .end('of the web');
    });
    try {
      const url = `http://127.0.0.1:${await listen(server)}${path}`;
      const context = `${folder}/context`;
      mkdirSync(context);
      writeFileSync(`${context}/Dockerfile`, `FROM scratch\nADD ${url} /d/\n`);
      // One file in the folder, or none and a reason.
      expect(await outcome({ context })).toMatch(/^(d\/[^/ ]+$|SLIPWAY_)/);
      writeFileSync(`${context}/Dockerfile`, `FROM scratch\nADD ${url} /d/../../../victim/\n`);
      expect(await outcome({ context })).toMatch(/^(victim\/[^/ ]+$|SLIPWAY_)/);
    } finally {
      await close(server);
    }
  });
});

/** Everything but folders; no link is followed, which readdir's own recursion would do. */
function filesBelow(root: string, below = ''): string[] {
  return readdirSync(join(root, below), { withFileTypes: true }).flatMap((entry) => {
    const name = join(below, entry.name);
    return entry.isDirectory() ? filesBelow(root, name) : [name];
  });
}

function stateOf(root: string): string[] {
  return readdirSync(root, { recursive: true, encoding: 'utf8' })
    .sort()
    .map((name) => {
      const { mode, size, nlink, ctimeMs } = statSync(`${root}/${name}`);
      return [name, mode.toString(8), size, nlink, ctimeMs].join(' ');
    });
}
