import {
  chmodSync,
  lutimesSync,
  mkdirSync,
  mkdtempSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createContentDigester, type RememberedFiles } from '../../cache/content-digest.ts';
import type { ContentSelection } from '../../cache/content-selection.ts';
import { openFileDigests } from '../../cache/file-digests.ts';
import { openFolderDigests } from '../../cache/folder-digests.ts';
import { openStore, type Store } from '../../cache/store.ts';
import { openFolderTree } from '../../src/context/folder-tree.ts';
import { toBytePath } from '../../src/core/byte-path.ts';
import type { FileEntry, FileTree } from '../../src/core/file-tree.ts';
import { compileIgnorePatterns } from '../../src/core/ignore-patterns.ts';

let folder: string;
let files: string;
let store: Store;

beforeEach(() => {
  folder = mkdtempSync(`${tmpdir()}/slipway-digest-`);
  files = `${folder}/files`;
  mkdirSync(files);
  store = openStore(`${folder}/store`);
});

afterEach(() => {
  store[Symbol.dispose]();
  rmSync(folder, { recursive: true, force: true });
});

function write(path: string, text: string, mode = 0o644): void {
  mkdirSync(dirname(`${files}/${path}`), { recursive: true });
  writeFileSync(`${files}/${path}`, text);
  chmodSync(`${files}/${path}`, mode);
}

const tree = () => openFolderTree(toBytePath(files), compileIgnorePatterns([], '.dockerignore'));

function remembered(): RememberedFiles {
  return { files: openFileDigests(store.database), folders: openFolderDigests(store.database) };
}

function digester() {
  const digest = createContentDigester(remembered());
  return (of: FileTree, selection: ContentSelection) => digest(of, selection, new AbortController().signal);
}

const selection = (...paths: string[]): ContentSelection => ({
  roots: paths.map((path) => ({ path: toBytePath(path) })),
});

async function digestOf(...paths: string[]): Promise<string> {
  return (await digester()(tree(), selection(...paths))).digest;
}

/** A tree of one file with this entry and these bytes. */
function oneFile(entry: Partial<FileEntry>, text = 'x'): FileTree {
  writeFileSync(`${folder}/one`, text);
  const file: FileEntry = { type: 'file', mode: 0o644, uid: 0, gid: 0, size: text.length, mtime: 1, ...entry };
  return { lstat: () => file, readdir: () => [], contentPath: () => toBytePath(`${folder}/one`) };
}

describe('a content digest', () => {
  it('is the same for ever for the same files', async () => {
    write('a/data0', 'data0');
    write('a/run.sh', '#!/bin/sh\n', 0o755);
    symlinkSync('data0', `${files}/a/link`);
    chmodSync(`${files}/a`, 0o755);
    expect(await digestOf('/a')).toBe('sha256:8afae2087c244156e0fab1606ecf1f55b204a6cab5ec26268dec2fc9554f2c75');
  });

  it('does not depend on times, nor on where equal files lie if they are named alike', async () => {
    write('a/f', 'text');
    write('b/f', 'text');
    const named = async (path: string) =>
      (await digester()(tree(), { roots: [{ path: toBytePath(path), name: 'source' }] })).digest;
    const before = await named('/a');
    utimesSync(`${files}/a/f`, 1, 1);
    lutimesSync(`${files}/a`, 5, 5);
    expect(await named('/a')).toBe(before);
    expect(await named('/b')).toBe(before);
    expect(await digestOf('/a')).not.toBe(await digestOf('/b'));
  });

  it.each<[string, Partial<FileEntry>]>([
    ['type', { type: 'fifo', size: 0 }],
    ['mode', { mode: 0o755 }],
    ['owner', { uid: 1 }],
    ['group', { gid: 1 }],
    ['link target', { type: 'symlink', target: toBytePath('x') }],
    ['device', { type: 'char', size: 0, device: { major: 1, minor: 3 } }],
    ['xattrs', { xattrs: new Map([['user.a', 'b']]) }],
  ])('depends on the %s', async (_what, entry) => {
    const plain = await digester()(oneFile({}), selection('/f'));
    const other = await digester()(oneFile(entry), selection('/f'));
    expect(other.digest).not.toBe(plain.digest);
  });

  it('depends on the bytes, on names, and on what is absent', async () => {
    const digests = new Set<string>();
    const add = async () => digests.add(await digestOf('/d', '/absent'));
    mkdirSync(`${files}/d`);
    await add();
    write('d/f', 'text');
    await add();
    write('d/f', 'TEXT');
    await add();
    renameSync(`${files}/d/f`, `${files}/d/g`);
    await add();
    write('absent', '');
    await add();
    expect(digests.size).toBe(5);
  });

  it('does not take one field for another: what is not separated in the names is in the digest', async () => {
    write('x/a b', '1');
    write('y/a', '1');
    const named = async (path: string, name: string) =>
      (await digester()(tree(), { roots: [{ path: toBytePath(path), name }] })).digest;
    expect(await named('/y/a', 'a\n')).not.toBe(await named('/y/a', 'a'));
    expect(await named('/x/a b', 'a b')).not.toBe(await named('/x/a b', 'a  b'));
  });

  it('leaves out what is excluded, and goes on below an excluded folder', async () => {
    write('d/keep', '1');
    write('d/skip', '2');
    const kept = async () =>
      digester()(tree(), { ...selection('/d'), exclude: (path) => path === '/d' || path.endsWith('/skip') });
    const before = await kept();
    write('d/skip', 'other');
    expect((await kept()).digest).toBe(before.digest);
    expect(before.parts.map((part) => part.name)).toEqual(['file /d/keep']);
  });

  it('does not depend on the order of the roots', async () => {
    write('a', '1');
    write('b', '2');
    expect(await digestOf('/a', '/b')).toBe(await digestOf('/b', '/a'));
  });

  it('digests a file that is larger than its buffer', async () => {
    write('large', 'x'.repeat(3 * 1024 * 1024));
    const before = await digestOf('/large');
    write('large', `${'x'.repeat(3 * 1024 * 1024 - 1)}y`);
    expect(await digestOf('/large')).not.toBe(before);
  });

  it('refuses a file that changed after it was looked at', async () => {
    write('f', 'text');
    const seen = tree();
    seen.lstat(toBytePath('/f'));
    truncateSync(`${files}/f`, 2);
    await expect(digester()(seen, selection('/f'))).rejects.toMatchObject({ code: 'SLIPWAY_CONTEXT_CHANGED' });
  });

  it('never opens what a symlink in the place of a file points to', async () => {
    write('f', 'text');
    const seen = tree();
    seen.lstat(toBytePath('/f'));
    rmSync(`${files}/f`);
    writeFileSync(`${folder}/secret`, 'text');
    symlinkSync(`${folder}/secret`, `${files}/f`);
    await expect(digester()(seen, selection('/f'))).rejects.toMatchObject({ code: 'SLIPWAY_CONTEXT_CHANGED' });
  });

  it('lets others go on while it works, and ends when the signal says so', async () => {
    const one = oneFile({});
    const folderEntry: FileEntry = { type: 'dir', mode: 0o755, uid: 0, gid: 0, size: 0, mtime: 1 };
    const names = Array.from({ length: 50_000 }, (_, index) => toBytePath(String(index)));
    const many: FileTree = {
      ...one,
      lstat: (path) => (path === '/' ? folderEntry : one.lstat(path)),
      readdir: (path) => (path === '/' ? names : []),
    };
    const stop = new AbortController();
    const running = createContentDigester(remembered())(many, selection('/'), stop.signal);
    await setTimeout(1);
    stop.abort(new Error('enough'));
    await expect(running).rejects.toThrow('enough');
  });
});

describe('remembered digests of files', () => {
  /** A file that is no longer young. */
  const old = () => {
    const { dev, ino } = statSync(`${files}/f`);
    const state = { dev, ino, mtimeMs: 1000, ctimeMs: 1000, isPlain: false };
    return { path: toBytePath(`${files}/f`), size: 4, state };
  };

  const facts = (digest: string) => ({ digest, isPlain: false });

  it('are found again by another process, for the same state only', () => {
    write('f', 'text');
    const noted = openFileDigests(store.database);
    noted.note(old(), facts('ab'.repeat(32)));
    noted.flush();
    using other = openStore(`${folder}/store`);
    const known = openFileDigests(other.database);
    const file = old();
    expect(known.lookup(file)).toEqual(facts('ab'.repeat(32)));
    expect(known.lookup({ ...file, size: 5 })).toBeUndefined();
    for (const field of ['dev', 'ino'] as const)
      expect(known.lookup({ ...file, state: { ...file.state, [field]: 99 } })).toBeUndefined();
    for (const field of ['mtimeMs', 'ctimeMs'] as const)
      expect(known.lookup({ ...file, state: { ...file.state, [field]: 1000.001 } })).toBeUndefined();
    expect(known.lookup({ ...file, path: toBytePath(`${files}/g`) })).toBeUndefined();
  });

  it('keep the others of a folder when one changes', () => {
    write('f', 'text');
    const first = openFileDigests(store.database);
    const named = (name: string) => ({ ...old(), path: toBytePath(`${files}/${name}`) });
    for (let index = 0; index < 100; index++) first.note(named(`f${index}`), facts(String(index).padStart(64, '0')));
    first.flush();
    const second = openFileDigests(store.database);
    second.note(named('f7'), facts('ab'.repeat(32)));
    second.note(named('new'), facts('cd'.repeat(32)));
    second.flush();
    const third = openFileDigests(store.database);
    expect(third.lookup(named('f7'))).toEqual(facts('ab'.repeat(32)));
    expect(third.lookup(named('f99'))).toEqual(facts('99'.padStart(64, '0')));
    expect(third.lookup(named('new'))).toEqual(facts('cd'.repeat(32)));
  });

  it('do not include a file that was written just now: it could change again within the same tick of the clock', async () => {
    write('f', 'aaaa');
    const before = await digestOf('/f');
    const { mtimeMs } = statSync(`${files}/f`);
    writeFileSync(`${files}/f`, 'bbbb');
    utimesSync(`${files}/f`, mtimeMs / 1000, mtimeMs / 1000);
    expect(await digestOf('/f')).not.toBe(before);
    expect(store.database.statement('SELECT count(*) AS count FROM file_digests').get()).toMatchObject({ count: 0 });
  });

  it('say which files and folders have no extended attributes', () => {
    write('f', 'text');
    const noted = openFileDigests(store.database);
    noted.note(old(), { digest: 'ab'.repeat(32), isPlain: true });
    const folder = { ...old(), path: toBytePath(`${files}/d`) };
    noted.note(folder, { digest: '', isPlain: true });
    noted.flush();
    const known = openFileDigests(store.database);
    expect(known.lookup(old())).toEqual({ digest: 'ab'.repeat(32), isPlain: true });
    expect(known.lookup(folder)).toEqual({ digest: '', isPlain: true });
  });

  it('are not taken from a damaged row', () => {
    write('f', 'text');
    const noted = openFileDigests(store.database);
    noted.note(old(), facts('ab'.repeat(32)));
    noted.flush();
    store.database.statement('UPDATE file_digests SET digests = substr(digests, 1, 31)').run();
    expect(openFileDigests(store.database).lookup(old())).toBeUndefined();
  });
});
