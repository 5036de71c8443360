import { execFileSync } from 'node:child_process';
import { chmodSync, linkSync, mkdirSync, rmSync, symlinkSync, utimesSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { openFolderTree } from '../../src/context/folder-tree.ts';
import { type BytePath, bytePathOf, displayPath, toBytePath } from '../../src/core/byte-path.ts';
import { compileIgnorePatterns, parseIgnoreFile } from '../../src/core/ignore-patterns.ts';
import { folderOf, pathsOf } from './rig.ts';

function open(folder: string, ignore = '') {
  return openFolderTree(toBytePath(folder), compileIgnorePatterns(parseIgnoreFile(ignore), '.dockerignore'));
}

const at = (path: string) => toBytePath(path);

describe('a folder as a context', () => {
  test('gives everything to root and keeps modes, sizes and times', () => {
    const folder = folderOf({ f: 'four' });
    chmodSync(join(folder, 'f'), 0o4750);
    utimesSync(join(folder, 'f'), 5, 1_000_000_000.5);
    const entry = open(folder).lstat(at('/f'));
    expect(entry).toMatchObject({ type: 'file', mode: 0o4750, uid: 0, gid: 0, size: 4, mtime: 1_000_000_000 });
    expect(entry?.host?.mtimeMs).toBe(1_000_000_000_500);
  });

  test('does not look through symlinks', () => {
    const outside = folderOf({ secret: 'x' });
    const folder = folderOf({ 'd/f': '', out: `-> ${outside}`, in: '-> d' });
    const tree = open(folder);
    expect(tree.lstat(at('/out'))).toMatchObject({ type: 'symlink', target: outside });
    expect(tree.lstat(at('/out/secret'))).toBeUndefined();
    expect(tree.lstat(at('/in/f'))).toBeUndefined();
    expect(tree.readdir(at('/out'))).toEqual([]);
  });

  test('names the inode that names share', () => {
    const folder = folderOf({ a: '', other: '' });
    linkSync(join(folder, 'a'), join(folder, 'b'));
    const tree = open(folder);
    expect(tree.lstat(at('/a'))?.link).toBeDefined();
    expect(tree.lstat(at('/a'))?.link).toBe(tree.lstat(at('/b'))?.link);
    expect(tree.lstat(at('/other'))?.link).toBeUndefined();
  });

  test('takes names of any bytes', () => {
    const folder = folderOf({});
    const names = [Buffer.from([0x66, 0xff, 0xfe]), Buffer.from('new\nline'), Buffer.from('日本')];
    for (const name of names) writeFileSync(Buffer.concat([Buffer.from(`${folder}/`), name]), '');
    const tree = open(folder);
    expect([...tree.readdir(at('/'))].sort()).toEqual(names.map((name) => bytePathOf(name)).sort());
    for (const name of names) expect(tree.lstat(`/${bytePathOf(name)}` as BytePath)?.type).toBe('file');
  });

  test('sees fifos and no sockets', async () => {
    const folder = folderOf({ f: '' });
    execFileSync('mkfifo', ['-m', '640', join(folder, 'pipe')]);
    const server = createServer().listen(join(folder, 'sock'));
    await new Promise((resolve) => server.once('listening', resolve));
    try {
      const tree = open(folder);
      expect(tree.readdir(at('/'))).toEqual(['f', 'pipe']);
      expect(tree.lstat(at('/pipe'))).toMatchObject({ type: 'fifo', mode: 0o640 });
      expect(tree.lstat(at('/sock'))).toBeUndefined();
    } finally {
      server.close();
    }
  });

  test('stays as it was first seen', () => {
    const folder = folderOf({ 'd/f': 'old' });
    const tree = open(folder);
    expect(tree.readdir(at('/d'))).toEqual(['f']);
    expect(tree.lstat(at('/d/f'))?.size).toBe(3);
    rmSync(join(folder, 'd'), { recursive: true });
    mkdirSync(join(folder, 'e'));
    symlinkSync('e', join(folder, 'd'));
    expect(tree.readdir(at('/d'))).toEqual(['f']);
    expect(tree.lstat(at('/d/f'))?.size).toBe(3);
  });

  test('keeps file capabilities and user attributes, and reads them only when asked', (context) => {
    const folder = folderOf({ f: '', g: '' });
    try {
      execFileSync('setfattr', ['-n', 'user.note', '-v', 'kept', join(folder, 'f')], { stdio: 'ignore' });
    } catch {
      context.skip('setfattr is not installed, or the filesystem has no extended attributes');
    }
    const tree = open(folder);
    expect([...(tree.lstat(at('/f'))?.xattrs ?? [])]).toEqual([['user.note', 'kept']]);
    expect(tree.lstat(at('/g'))?.xattrs?.size).toBe(0);
  });

  test('tells which file cannot be read', (context) => {
    if (process.getuid?.() === 0) context.skip('root may read everything');
    const folder = folderOf({ 'closed/f': '' });
    chmodSync(join(folder, 'closed'), 0);
    expect(() => open(folder).readdir(at('/closed'))).toThrow('"/closed"');
  });
});

describe('.dockerignore', () => {
  const files = { 'd/x': '', 'd/sub/y': '', 'vendor/mine/f': '', 'vendor/other/f': '', 'secret.txt': '', keep: '' };

  test.each([
    [
      '',
      [
        '/d/',
        '/d/sub/',
        '/d/sub/y',
        '/d/x',
        '/keep',
        '/secret.txt',
        '/vendor/',
        '/vendor/mine/',
        '/vendor/mine/f',
        '/vendor/other/',
        '/vendor/other/f',
      ],
    ],
    ['*\n!keep', ['/keep']],
    ['d\nvendor\n*.txt', ['/keep']],
    ['vendor\n!vendor/mine\nd\nkeep\n*.txt', ['/vendor/', '/vendor/mine/', '/vendor/mine/f']],
    ['**\n!**/y', ['/d/', '/d/sub/', '/d/sub/y']],
    ['**', []],
  ])('%j leaves what it should', (ignore, expected) => {
    expect(pathsOf(open(folderOf(files), ignore))).toEqual(expected);
  });

  test('answers for a single path as for a walk', () => {
    const tree = open(folderOf(files), 'd\n!d/sub/y\nvendor');
    expect(tree.lstat(at('/d/sub/y'))?.type).toBe('file');
    expect(tree.lstat(at('/d'))?.type).toBe('dir');
    expect(tree.lstat(at('/d/x'))).toBeUndefined();
    expect(tree.lstat(at('/vendor'))).toBeUndefined();
    expect(tree.lstat(at('/vendor/mine/f'))).toBeUndefined();
  });

  test('matches symlinks by their own names', () => {
    const folder = folderOf({ 'real/x': '', link: '-> real', other: '-> real' });
    expect(pathsOf(open(folder, 'link\nother/x')).map((path) => displayPath(toBytePath(path)))).toEqual([
      '/other',
      '/real/',
      '/real/x',
    ]);
  });
});
