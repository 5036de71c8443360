import { execFileSync } from 'node:child_process';
import {
  chmodSync,
  linkSync,
  lutimesSync,
  mkdirSync,
  mkdtempSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { createContentDigester } from '../../cache/content-digest.ts';
import type { ContentSelection } from '../../cache/content-selection.ts';
import { openFileDigests } from '../../cache/file-digests.ts';
import { openFolderDigests } from '../../cache/folder-digests.ts';
import { openStore, type Store } from '../../cache/store.ts';
import { openFolderTree } from '../../src/context/folder-tree.ts';
import { type BytePath, toBytePath } from '../../src/core/byte-path.ts';
import type { FileTree } from '../../src/core/file-tree.ts';
import { compileIgnorePatterns, parseIgnoreFile } from '../../src/core/ignore-patterns.ts';

/** Longer than the coarsest clock that the kernel stamps files with takes to move on. */
const TICK = 20;
/** Longer than files are young. */
const AGE = 10_000;
const realNow = Date.now.bind(Date);

let folder: string;
let root: string;
let store: Store;

beforeEach(() => {
  folder = mkdtempSync(`${tmpdir()}/slipway-folders-`);
  root = `${folder}/root`;
  mkdirSync(root);
  store = openStore(`${folder}/store`);
});

afterEach(() => {
  vi.restoreAllMocks();
  store[Symbol.dispose]();
  rmSync(folder, { recursive: true, force: true });
});

/** Makes every file look old enough to be remembered. */
function letTimePass(): void {
  vi.spyOn(Date, 'now').mockImplementation(() => realNow() + AGE);
}

function write(path: string, text: string): void {
  mkdirSync(dirname(`${root}/${path}`), { recursive: true });
  writeFileSync(`${root}/${path}`, text);
}

interface Walk {
  readonly digest: string;
  /** Files that were looked at one by one. */
  readonly looked: readonly string[];
  /** Files whose bytes were read. */
  readonly read: readonly string[];
}

const WHOLE: ContentSelection = { roots: [{ path: '/' as BytePath }] };

/** Digests as a build of its own does, with what the store remembers, and counts what it costs. */
async function walk(selection = WHOLE, ignore = '', at = root): Promise<Walk> {
  using tree = openFolderTree(toBytePath(at), compileIgnorePatterns(parseIgnoreFile(ignore), '.dockerignore'));
  const looked: string[] = [];
  const read: string[] = [];
  const counting: FileTree = {
    lstat: (path) => {
      looked.push(path);
      return tree.lstat(path);
    },
    readdir: (path) => tree.readdir(path),
    contentPath: (path) => {
      if (tree.lstat(path)?.type === 'file') read.push(path);
      return tree.contentPath(path);
    },
    folderState: (path, known) => tree.folderState?.(path, known),
  };
  const { database } = store;
  const digest = createContentDigester({ files: openFileDigests(database), folders: openFolderDigests(database) });
  const found = await digest(counting, selection, new AbortController().signal);
  return { digest: found.digest, looked, read };
}

/** The same digest from the entries alone, where nothing is remembered. */
async function digestAnew(selection = WHOLE, ignore = ''): Promise<string> {
  using tree = openFolderTree(toBytePath(root), compileIgnorePatterns(parseIgnoreFile(ignore), '.dockerignore'));
  const entries: FileTree = {
    lstat: (path) => tree.lstat(path),
    readdir: (path) => tree.readdir(path),
    contentPath: (path) => tree.contentPath(path),
  };
  const nothing = { flush: () => {}, get: () => undefined, set: () => {}, lookup: () => undefined, note: () => {} };
  const digest = createContentDigester({ files: nothing, folders: nothing });
  return (await digest(entries, selection, new AbortController().signal)).digest;
}

function rows(): string[] {
  const found = store.database.statement('SELECT folder FROM folder_digests ORDER BY folder').all();
  return found.map((row) => String(row.folder).slice(root.length) || '/');
}

describe('a folder in which nothing changed', () => {
  beforeEach(() => {
    for (let index = 0; index < 300; index++) write(`d${index % 3}/e${index % 10}/f${index}`, `text ${index}`);
    letTimePass();
  });

  it('is not looked at file by file, and none of its files is read', async () => {
    const first = await walk();
    expect(first.read).toHaveLength(300);
    const second = await walk();
    expect(second.digest).toBe(first.digest);
    expect(second.read).toEqual([]);
    expect(second.looked).toEqual(['/']);
  });

  it('costs nothing more where another one changed', async () => {
    await walk();
    write('d1/e4/f4', 'TEXT 4');
    const after = await walk();
    expect(after.read).toEqual(['/d1/e4/f4']);
    expect(after.looked.filter((path) => !path.startsWith('/d1/e4'))).toEqual(['/']);
    expect(after.digest).toBe(await digestAnew());
  });

  it('is digested from what is remembered where only a part of it is wanted', async () => {
    await walk();
    const selection = { ...WHOLE, exclude: (path: string) => path.startsWith('/d1/e1') };
    const part = await walk(selection);
    expect(part.read).toEqual([]);
    expect(part.digest).toBe(await digestAnew(selection));
    const whole = await walk();
    expect(whole.looked).toEqual(['/']);
  });

  it('has one row, without what is no longer there', async () => {
    await walk();
    rmSync(`${root}/d0/e0`, { recursive: true });
    write('d0/e3/new', '');
    await walk();
    const names = store.database.statement('SELECT names FROM folder_digests WHERE folder = ?').get(`${root}/d0`);
    expect(names).toEqual({ names: 'e1/e2/e3/e4/e5/e6/e7/e8/e9' });
  });
});

describe('a change of a folder that is remembered', () => {
  const changes: [string, () => void][] = [
    ['other bytes of the same size', () => write('d/f', 'TEXT')],
    [
      'other bytes of the same size, with the old mtime',
      () => {
        const { atimeMs, mtimeMs } = statSync(`${root}/d/f`);
        write('d/f', 'TEXT');
        utimesSync(`${root}/d/f`, atimeMs / 1000, mtimeMs / 1000);
      },
    ],
    ['more bytes', () => write('d/f', 'text and more')],
    ['another name', () => renameSync(`${root}/d/f`, `${root}/d/h`)],
    ['two names the other way round', swapNames],
    ['a new file', () => write('d/new', '')],
    ['a file less', () => rmSync(`${root}/d/g`)],
    ['another mode', () => chmodSync(`${root}/d/f`, 0o600)],
    ['another mode of a folder', () => chmodSync(`${root}/d/e`, 0o700)],
    [
      'another target of a symlink',
      () => {
        rmSync(`${root}/d/link`);
        symlinkSync('g', `${root}/d/link`);
      },
    ],
    ['a new folder', () => mkdirSync(`${root}/d/e/new`)],
    [
      'a folder in the place of a file',
      () => {
        rmSync(`${root}/d/f`);
        mkdirSync(`${root}/d/f`);
      },
    ],
    [
      'another folder in the place of one',
      () => {
        mkdirSync(`${root}/other`);
        writeFileSync(`${root}/other/x`, 'Y');
        rmSync(`${root}/d/e`, { recursive: true });
        renameSync(`${root}/other`, `${root}/d/e`);
      },
    ],
    ['an extended attribute', () => setXattr('d/f')],
    ['an extended attribute of a folder', () => setXattr('d/e')],
  ];

  beforeEach(async () => {
    write('d/f', 'text');
    write('d/g', 'more');
    write('d/e/x', 'x');
    symlinkSync('f', `${root}/d/link`);
    letTimePass();
  });

  it.each(changes)('is seen: %s', async (_what, change) => {
    const before = await walk();
    await setTimeout(TICK);
    change();
    const after = await walk();
    expect(after.digest).not.toBe(before.digest);
    expect(after.digest).toBe(await digestAnew());
  });

  it.each<[string, () => void]>([
    ['a later mtime', () => utimesSync(`${root}/d/f`, 1, 1)],
    ['a later mtime of a folder', () => utimesSync(`${root}/d`, 1, 1)],
    ['a later mtime of a symlink', () => lutimesSync(`${root}/d/link`, 1, 1)],
    ['another name of an inode outside', () => linkSync(`${root}/d/f`, `${folder}/outside`)],
    ['a file that came and went', () => [write('d/new', ''), rmSync(`${root}/d/new`)]],
  ])('makes no other digest: %s', async (_what, change) => {
    const before = await walk();
    await setTimeout(TICK);
    change();
    expect((await walk()).digest).toBe(before.digest);
    expect(await digestAnew()).toBe(before.digest);
  });

  it('is seen through every name of an inode', async () => {
    linkSync(`${root}/d/f`, `${root}/d/e/same`);
    const before = await walk();
    await setTimeout(TICK);
    writeFileSync(`${root}/d/e/same`, 'TEXT');
    const after = await walk();
    expect([...after.read].sort()).toEqual(['/d/e/same', '/d/f']);
    expect(after.digest).not.toBe(before.digest);
  });

  function swapNames(): void {
    renameSync(`${root}/d/f`, `${root}/d/h`);
    renameSync(`${root}/d/g`, `${root}/d/f`);
    renameSync(`${root}/d/h`, `${root}/d/g`);
  }

  function setXattr(path: string): void {
    try {
      execFileSync('setfattr', ['-n', 'user.note', '-v', 'kept', `${root}/${path}`], { stdio: 'ignore' });
    } catch {
      // Without them there is nothing to see; the mode stands in, so that the test says something.
      chmodSync(`${root}/${path}`, 0o711);
      console.warn('extended attributes were not tested: no setfattr, or none on this filesystem');
    }
  }
});

describe('what is remembered of folders', () => {
  it('leaves out files and listings so young that they could change unnoticed', async () => {
    write('d/f', 'aaaa');
    const before = await walk();
    expect(rows()).toEqual([]);
    const { atimeMs, mtimeMs } = statSync(`${root}/d/f`);
    write('d/f', 'bbbb');
    utimesSync(`${root}/d/f`, atimeMs / 1000, mtimeMs / 1000);
    const after = await walk();
    expect(after.digest).not.toBe(before.digest);
    expect(after.read).toEqual(['/d/f']);
  });

  it('is of the files that are old enough where others of the folder are not', async () => {
    write('d/old', 'old');
    const { ctimeMs } = statSync(`${root}/d/old`);
    await setTimeout(TICK);
    write('d/young', 'young');
    // So that only one of the two is young.
    vi.spyOn(Date, 'now').mockReturnValue(Math.floor(ctimeMs) + 2001);
    expect((await walk()).read).toEqual(['/d/old', '/d/young']);
    expect((await walk()).read).toEqual(['/d/young']);
    letTimePass();
    expect((await walk()).read).toEqual(['/d/young']);
    expect((await walk()).read).toEqual([]);
  });

  it('serves a folder whatever is excluded from it, and is right after .dockerignore changes', async () => {
    write('d/f', 'text');
    write('d/f.log', 'log');
    write('e/f.log', 'log');
    letTimePass();
    const digests = new Set<string>();
    for (const ignore of ['', '**/*.log', 'd', '', '*\n!d/*.log', '**/*.log', '']) {
      const { digest } = await walk(WHOLE, ignore);
      expect(digest).toBe(await digestAnew(WHOLE, ignore));
      digests.add(digest);
    }
    expect(digests.size).toBe(4);
    expect((await walk()).read).toEqual([]);
  });

  it('is not used for a folder whose files somebody takes back in below an excluded one', async () => {
    write('d/e/skip', '1');
    letTimePass();
    const ignore = 'd\n!d/e/keep';
    const before = await walk(WHOLE, ignore);
    await setTimeout(TICK);
    write('d/e/keep', '2');
    const after = await walk(WHOLE, ignore);
    expect(after.digest).not.toBe(before.digest);
    expect(after.digest).toBe(await digestAnew(WHOLE, ignore));
  });

  it('is right for a context that is a folder of another one', async () => {
    write('d/f.log', '1');
    letTimePass();
    await walk(WHOLE, 'f.log');
    const inner = await walk(WHOLE, 'f.log', `${root}/d`);
    await walk(WHOLE, 'f.log');
    expect((await walk(WHOLE, 'f.log', `${root}/d`)).digest).toBe(inner.digest);
    expect((await walk(WHOLE, '', `${root}/d`)).digest).not.toBe(inner.digest);
  });

  it.each(['stamps', 'digests', 'plain'])('is nothing where a row is damaged: %s', async (column) => {
    write('d/f', 'text');
    letTimePass();
    const before = await walk();
    store.database.statement(`UPDATE folder_digests SET ${column} = substr(${column}, 2)`).run();
    const after = await walk();
    expect(after).toMatchObject({ digest: before.digest, read: ['/d/f'] });
    expect((await walk()).read).toEqual([]);
  });

  it('says that a row is in use, but not every time', async () => {
    write('d/f', 'text');
    letTimePass();
    await walk();
    const usedAt = () => Number(store.database.statement('SELECT min(used_at) AS at FROM folder_digests').get()?.at);
    const first = usedAt();
    await walk();
    expect(usedAt()).toBe(first);
    store.database.statement('UPDATE folder_digests SET used_at = 0').run();
    await walk();
    expect(usedAt()).toBeGreaterThanOrEqual(first);
  });
});

describe('one state', () => {
  it('is what a build sees: a file that was looked at by itself stays so in its folder', async () => {
    write('f', 'text');
    write('g', 'text');
    using tree = openFolderTree(toBytePath(root), compileIgnorePatterns([], '.dockerignore'));
    expect(tree.lstat('/f' as BytePath)?.size).toBe(4);
    expect(tree.lstat('/late' as BytePath)).toBeUndefined();
    await setTimeout(TICK);
    write('f', 'text and more');
    write('g', 'text and more');
    write('late', '');
    const state = tree.folderState?.('/' as BytePath);
    expect(state?.names).toEqual(['f', 'g']);
    expect(tree.lstat('/f' as BytePath)?.size).toBe(4);
    expect(tree.lstat('/g' as BytePath)?.size).toBe(13);
    const { database } = store;
    const digest = createContentDigester({ files: openFileDigests(database), folders: openFolderDigests(database) });
    await expect(digest(tree, WHOLE, new AbortController().signal)).rejects.toMatchObject({
      code: 'SLIPWAY_CONTEXT_CHANGED',
      message: expect.stringContaining(`${root}/f changed`),
    });
  });
});

describe('the work of a walk', () => {
  it.each(['one folder', 'a folder for ten files', 'a chain of folders'])(
    'grows with the number of files and not faster, in %s',
    async (shape) => {
      const place = (index: number) => {
        if (shape === 'one folder') return `f${index}`;
        return shape === 'a folder for ten files'
          ? `d${index % 100}/f${index}`
          : `${'d/'.repeat(index % 100)}f${index}`;
      };
      for (let index = 0; index < 200; index++) write(place(index), 'x');
      const small = await walk();
      for (let index = 200; index < 1000; index++) write(place(index), 'x');
      const large = await walk();
      expect(small.read).toHaveLength(200);
      expect(large.read).toHaveLength(1000);
      const folders = shape === 'one folder' ? 1 : 101;
      expect(large.looked.length).toBeLessThanOrEqual(1000 + folders);
      expect(new Set(large.looked).size).toBe(large.looked.length);
    },
  );
});

describe('a tree that changes at random', () => {
  it.each([1, 2, 3, 4])('has the digest that it has without a memory, whatever changed since (%i)', async (seed) => {
    letTimePass();
    const pick = random(seed);
    for (let round = 0; round < 25; round++) {
      for (let change = pick(4); change >= 0; change--) mutate(pick);
      const ignore = ['', '', 'f1', '**/f2', 'd1\n!d1/f3'][pick(5)];
      const selection = pick(3) === 0 ? { ...WHOLE, exclude: (path: string) => path.endsWith('0') } : WHOLE;
      expect((await walk(selection, ignore)).digest).toBe(await digestAnew(selection, ignore));
      await setTimeout(TICK);
    }
  });

  function mutate(pick: (below: number) => number): void {
    const place = () => `${root}/${Array.from({ length: pick(3) }, () => `d${pick(3)}/`).join('')}`;
    const file = `${place()}f${pick(5)}`;
    const other = `${place()}f${pick(5)}`;
    const actions: (() => void)[] = [
      () => write(file.slice(root.length + 1), 'abc'[pick(3)] ?? ''),
      () => write(file.slice(root.length + 1), 'x'.repeat(pick(5))),
      () => rmSync(file, { recursive: true }),
      () => renameSync(file, other),
      () => renameSync(dirname(file), `${dirname(other)}/d${pick(3)}`),
      () => linkSync(file, other),
      () => symlinkSync(`f${pick(5)}`, file),
      () => mkdirSync(file),
      () => chmodSync(file, 0o600 + pick(0o100)),
      () => chmodSync(dirname(file), 0o700 + pick(0o100)),
      () => utimesSync(file, pick(100), pick(100)),
      () => dirname(file) !== root && rmSync(dirname(file), { recursive: true }),
    ];
    try {
      actions[pick(actions.length)]?.();
    } catch (error) {
      // Not everything can be done to everything.
      if (!(error instanceof Error && 'syscall' in error)) throw error;
    }
  }
});

/** Mulberry32. */
function random(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (state + 0x6d2b79f5) | 0;
    let bits = Math.imul(state ^ (state >>> 15), state | 1);
    bits ^= bits + Math.imul(bits ^ (bits >>> 7), bits | 61);
    return ((bits ^ (bits >>> 14)) >>> 0) % below;
  };
}
