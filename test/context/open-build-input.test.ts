import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { gzipSync, zstdCompressSync } from 'node:zlib';
import { describe, expect, test } from 'vitest';
import { openBuildInput } from '../../src/context/open-build-input.ts';
import { hostPath, toBytePath } from '../../src/core/byte-path.ts';
import { contextServices, folderOf, pathsOf, pieces } from './rig.ts';

const FROM = 'FROM scratch\n';

function tarOf(files: Readonly<Record<string, string>>): Buffer {
  return execFileSync('tar', ['-C', folderOf(files), '--owner=7', '--group=8', '-cf', '-', '.']);
}

describe('a folder', () => {
  test('has its Dockerfile, which an ignore file does not hide from the build', async () => {
    const cwd = folderOf({ 'app/Dockerfile': FROM, 'app/.dockerignore': 'Dockerfile\nx\n', 'app/x': '', 'app/y': '' });
    const { context, dockerfile } = await openBuildInput({ context: 'app', cwd }, contextServices());
    expect(dockerfile).toEqual({ name: 'Dockerfile', text: FROM });
    expect(pathsOf(context.tree)).toEqual(['/.dockerignore', '/y']);
    expect(context.excludedBy('x')).toEqual({ file: '.dockerignore', line: 2, pattern: 'x' });
    expect(context.excludedBy('y')).toBeUndefined();
    expect(context.excludedBy('not-there/x')).toBeUndefined();
  });

  test.each([
    ['a pipe that nobody writes to', 'mkfifo .dockerignore', /it is no regular file$/],
    ['a device that never ends', 'ln -s /dev/zero .dockerignore', /it is no regular file$/],
    ['more than anybody wrote', 'truncate -s 17M .dockerignore', /has more than 16777216 bytes$/],
  ])('has an ignore file that is refused where it is %s', async (_what, script, message) => {
    const cwd = folderOf({ Dockerfile: FROM });
    execFileSync('sh', ['-c', script], { cwd });
    await expect(openBuildInput({ context: '.', cwd }, contextServices())).rejects.toMatchObject({
      code: 'SLIPWAY_IGNORE_INVALID',
      message: expect.stringMatching(message),
    });
  });

  test('may have a lower-case dockerfile', async () => {
    const cwd = folderOf({ dockerfile: FROM });
    const { dockerfile } = await openBuildInput({ context: '.', cwd }, contextServices());
    expect(dockerfile).toEqual({ name: 'dockerfile', text: FROM });
  });

  test('takes -f from anywhere, with the ignore file beside it, even an empty one', async () => {
    const cwd = folderOf({
      'docker/My.Dockerfile': FROM,
      'docker/My.Dockerfile.dockerignore': '',
      'app/.dockerignore': 'x',
      'app/x': '',
      Linked: '-> docker/My.Dockerfile',
    });
    const specific = await openBuildInput({ context: 'app', file: 'docker/My.Dockerfile', cwd }, contextServices());
    expect(specific.dockerfile).toEqual({ name: 'docker/My.Dockerfile', text: FROM });
    expect(pathsOf(specific.context.tree)).toEqual(['/.dockerignore', '/x']);
    const linked = await openBuildInput({ context: 'app', file: 'Linked', cwd }, contextServices());
    expect(linked.dockerfile.text).toBe(FROM);
    expect(pathsOf(linked.context.tree)).toEqual(['/.dockerignore']);
  });

  test('takes the Dockerfile from standard input or a URL', async () => {
    const cwd = folderOf({ x: '' });
    const stdin = pieces(Buffer.from(FROM), 3);
    const piped = await openBuildInput({ context: '.', file: '-', cwd, stdin }, contextServices());
    expect(piped.dockerfile).toEqual({ name: 'Dockerfile', text: FROM });
    const url = 'http://user:word@example.test/D';
    const fetched = await openBuildInput(
      { context: '.', file: url, cwd },
      contextServices({ 'http://example.test/D': Buffer.from(FROM) }),
    );
    expect(fetched.dockerfile).toEqual({ name: 'http://example.test/D', text: FROM });
    expect(pathsOf(fetched.context.tree)).toEqual(['/x']);
  });

  test('says what is missing, and what is there instead', async () => {
    const cwd = folderOf({ 'Dockerfile.dev': FROM, afile: '' });
    const open = (context: string, file?: string) =>
      openBuildInput({ context, cwd, ...(file === undefined ? {} : { file }) }, contextServices());
    await expect(open('.')).rejects.toMatchObject({
      code: 'SLIPWAY_DOCKERFILE_MISSING',
      hint: expect.stringContaining('"Dockerfile.dev"'),
    });
    await expect(open('.', 'Dockerfile.dec')).rejects.toThrow('"Dockerfile.dec"');
    await expect(open('nowhere')).rejects.toMatchObject({ code: 'SLIPWAY_CONTEXT_MISSING' });
    await expect(open('afile')).rejects.toMatchObject({ code: 'SLIPWAY_CONTEXT_NOT_FOLDER' });
  });
});

describe('standard input', () => {
  const files = { Dockerfile: FROM, 'd/f': 'bytes', 'sub/D2': 'FROM other\n' };

  test.each([
    ['plain', (tar: Buffer) => tar],
    ['gzip', gzipSync],
    ['zstd', zstdCompressSync],
  ] as const)(
    'may be a %s archive, with its owners, below a folder that goes when the context does',
    async (_name, pack) => {
      const services = contextServices();
      const stdin = pieces(pack(tarOf(files)));
      const { context, dockerfile } = await openBuildInput({ context: '-', cwd: '/', stdin }, services);
      expect(dockerfile.text).toBe(FROM);
      expect(pathsOf(context.tree)).toEqual(['/Dockerfile', '/d/', '/d/f', '/sub/', '/sub/D2']);
      const path = toBytePath('/d/f');
      expect(context.tree.lstat(path)).toMatchObject({ size: 5, uid: 7, gid: 8 });
      const place = hostPath(context.tree.contentPath(path));
      expect(readFileSync(place, 'utf8')).toBe('bytes');
      await context[Symbol.asyncDispose]();
      expect(existsSync(place)).toBe(false);
    },
  );

  test('may have the Dockerfile that -f names', async () => {
    const request = { context: '-', file: 'sub/D2', cwd: '/', stdin: pieces(tarOf(files)) };
    const { dockerfile } = await openBuildInput(request, contextServices());
    expect(dockerfile).toEqual({ name: 'sub/D2', text: 'FROM other\n' });
  });

  test('may be a Dockerfile alone', async () => {
    const stdin = pieces(Buffer.from(FROM), 2);
    const { context, dockerfile } = await openBuildInput({ context: '-', cwd: '/', stdin }, contextServices());
    expect(dockerfile.text).toBe(FROM);
    expect(pathsOf(context.tree)).toEqual([]);
  });

  test('never reads a Dockerfile that leads out of the archive', async () => {
    const outside = join(folderOf({ secret: 'FROM leaked\n' }), 'secret');
    const stdin = pieces(tarOf({ Dockerfile: `-> ${outside}` }));
    await expect(openBuildInput({ context: '-', cwd: '/', stdin }, contextServices())).rejects.toMatchObject({
      code: 'SLIPWAY_DOCKERFILE_MISSING',
    });
  });

  test('cannot be both, nor something packed that is no archive', async () => {
    const both = { context: '-', file: '-', cwd: '/', stdin: pieces(Buffer.from(FROM)) };
    await expect(openBuildInput(both, contextServices())).rejects.toMatchObject({ code: 'SLIPWAY_CONTEXT_INVALID' });
    const packed = { context: '-', cwd: '/', stdin: pieces(gzipSync('no tar')) };
    await expect(openBuildInput(packed, contextServices())).rejects.toMatchObject({ code: 'SLIPWAY_CONTEXT_INVALID' });
    await expect(openBuildInput({ context: '-', cwd: '/' }, contextServices())).rejects.toMatchObject({
      code: 'SLIPWAY_STDIN_MISSING',
    });
  });
});

describe('a URL', () => {
  test('may be a tarball or a Dockerfile', async () => {
    const answers = {
      'http://example.test/c.tgz': gzipSync(tarOf({ Dockerfile: FROM, f: '' })),
      'http://example.test/D': Buffer.from(FROM),
    };
    const open = (context: string) => openBuildInput({ context, cwd: '/' }, contextServices(answers));
    expect(pathsOf((await open('http://example.test/c.tgz')).context.tree)).toEqual(['/Dockerfile', '/f']);
    expect((await open('http://example.test/D')).dockerfile.text).toBe(FROM);
  });

  test('that fails says why, without its password', async () => {
    const open = (context: string) =>
      openBuildInput({ context, cwd: '/' }, contextServices({ 'http://example.test/gone': 404 }));
    await expect(open('http://example.test/gone')).rejects.toThrow('status 404');
    await expect(open('http://me:secret@elsewhere.test/x')).rejects.toThrow(
      'cannot fetch http://elsewhere.test/x: no such host',
    );
  });
});
