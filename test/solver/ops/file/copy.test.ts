import { linkSync, mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { ownerOf } from '../../../../frontend/convert/owner.ts';
import type { FileAction } from '../../../../solver/vertex.ts';
import { openFolderTree } from '../../../../src/context/folder-tree.ts';
import { toBytePath } from '../../../../src/core/byte-path.ts';
import type { FileTree } from '../../../../src/core/file-tree.ts';
import { compileIgnorePatterns } from '../../../../src/core/ignore-patterns.ts';
import { temporaryFolder } from '../../../rig/temporary-folder.ts';
import { memoryTree } from './memory-tree.ts';
import { copyAction, layerOf } from './rig.ts';

const CONTEXT = memoryTree({
  f: {},
  'tree/top': { mode: 0o600 },
  'tree/sub/': { mode: 0o2770, mtime: 9 },
  'tree/sub/leaf': {},
  'tree/link': '-> sub/leaf',
  'tree/empty/': { mode: 0o750 },
  current: '-> tree/sub',
  'a.txt': {},
  'b.txt': {},
  'deep/x/one.json': {},
  'deep/y/two.json': {},
  'deep/y/three.md': {},
  'links/a': 'inode',
  'links/b': 'inode',
  'links/sub/c': 'inode',
});
const EMPTY = memoryTree({});

async function copied(root: ReturnType<typeof memoryTree>, ...actions: Parameters<typeof layerOf>[2]) {
  return (await layerOf(root, CONTEXT, actions)).lines;
}

describe('COPY of a file', () => {
  test('takes the destination as the name where nothing is there, and makes its parents', async () => {
    expect(await copied(EMPTY, copyAction('/f', '/p/q/g'))).toEqual([
      '/p dir 0755 0:0 new',
      '/p/q dir 0755 0:0 new',
      '/p/q/g file 0644 0:0 from /host/f',
    ]);
  });

  test('goes into the destination where that is a folder, or is written with a slash', async () => {
    const root = memoryTree({ 'have/': { mode: 0o700, uid: 5 } });
    expect(await copied(root, copyAction('/f', '/have'), copyAction('/f', '/new/'))).toEqual([
      '/have dir 0700 5:0',
      '/have/f file 0644 0:0 from /host/f',
      '/new dir 0755 0:0 new',
      '/new/f file 0644 0:0 from /host/f',
    ]);
  });

  test('follows symlinks of the destination inside the root, also a dangling one at the end', async () => {
    const root = memoryTree({ 'd/old': {}, l1: '-> /d/old', l2: '-> ../../d/none', 'app/': {}, current: '-> app' });
    const actions = [copyAction('/f', '/l1'), copyAction('/f', '/l2'), copyAction('/f', '/current/')];
    expect(await copied(root, ...actions)).toEqual([
      '/app dir 0755 0:0',
      '/app/f file 0644 0:0 from /host/f',
      '/d dir 0755 0:0',
      '/d/none file 0644 0:0 from /host/f',
      '/d/old file 0644 0:0 from /host/f',
    ]);
  });

  test('makes the folders that a dangling symlink leads to, under a umask of 022', async () => {
    const root = memoryTree({ l: '-> /gone/deep' });
    const folder = ['/gone dir 0755 0:0 new', '/gone/deep dir 0755 0:0 new', '/gone/deep/f file 0777 0:0 from /host/f'];
    expect(await copied(root, copyAction('/f', '/l/', { chmod: 0o777 }))).toEqual(folder);
    const file = ['/gone dir 0750 0:0 new', '/gone/deep file 0770 0:0 from /host/f'];
    expect(await copied(root, copyAction('/f', '/l', { chmod: 0o770 }))).toEqual(file);
  });

  test('is refused below a file of the root, and where a symlink loops', async () => {
    const root = memoryTree({ afile: {}, x: '-> /y', y: '-> /x' });
    await expect(copied(root, copyAction('/f', '/afile/'))).rejects.toThrow(/"\/afile" of the image.*not a folder/);
    await expect(copied(root, copyAction('/f', '/x/f'))).rejects.toThrow(/too many links/);
  });

  test('takes the name as written where the source is a symlink, and the bytes of its target', async () => {
    const source = memoryTree({ real: {}, alias: '-> real' });
    const { lines } = await layerOf(EMPTY, source, [copyAction('/alias', '/o/')]);
    expect(lines).toEqual(['/o dir 0755 0:0 new', '/o/alias file 0644 0:0 from /host/real']);
  });
});

describe('COPY of a folder', () => {
  test('copies what is in it; the attributes of the folder itself are not taken, those below are', async () => {
    expect(await copied(EMPTY, copyAction('/tree', '/new'))).toEqual([
      '/new dir 0755 0:0',
      '/new/empty dir 0750 0:0',
      '/new/link symlink 0777 0:0 -> sub/leaf',
      '/new/sub dir 2770 0:0',
      '/new/sub/leaf file 0644 0:0 from /host/tree/sub/leaf',
      '/new/top file 0600 0:0 from /host/tree/top',
    ]);
  });

  test('merges into a folder that is there: the uppermost keeps its attributes, those below get the source’s', async () => {
    const root = memoryTree({ 'have/': { mode: 0o700 }, 'have/sub/': { mode: 0o711, uid: 5 }, 'have/sub/old': {} });
    expect(await copied(root, copyAction('/current', '/have/sub'), copyAction('/tree', '/have'))).toEqual([
      '/have dir 0700 0:0',
      '/have/empty dir 0750 0:0',
      '/have/link symlink 0777 0:0 -> sub/leaf',
      '/have/sub dir 2770 0:0',
      '/have/sub/leaf file 0644 0:0 from /host/tree/sub/leaf',
      '/have/top file 0600 0:0 from /host/tree/top',
    ]);
  });

  test('never replaces a file or a symlink by a folder, nor a folder by a file', async () => {
    const onLink = memoryTree({ 'usr/bin/': {}, sub: '-> usr/bin' });
    await expect(copied(onLink, copyAction('/tree', '/'))).rejects.toThrow(/"\/sub".*non-directory/);
    const onFolder = memoryTree({ 'x/top/': {} });
    await expect(copied(onFolder, copyAction('/tree', '/x'))).rejects.toThrow(/"\/x\/top".*directory/);
    await expect(copied(memoryTree({ x: {} }), copyAction('/tree', '/x'))).rejects.toThrow(/"\/x"/);
  });

  test('replaces files and symlinks by files and symlinks', async () => {
    const root = memoryTree({ 'x/top': '-> /etc/passwd', 'x/link': {} });
    expect(await copied(root, copyAction('/tree', '/x'))).toContain('/x/top file 0600 0:0 from /host/tree/top');
  });

  test('keeps hard links of one copy, and only of one', async () => {
    const sources = [copyAction('/links', '/o'), copyAction('/links/a', '/p/'), copyAction('/links/b', '/p/')];
    expect(await copied(EMPTY, ...sources)).toEqual([
      '/o dir 0755 0:0',
      '/o/a file 0644 0:0 from /host/links/a',
      '/o/b file 0644 0:0 = /o/a',
      '/o/sub dir 0755 0:0',
      '/o/sub/c file 0644 0:0 = /o/a',
      '/p dir 0755 0:0 new',
      '/p/a file 0644 0:0 from /host/links/a',
      '/p/b file 0644 0:0 from /host/links/b',
    ]);
  });
});

describe('COPY of a folder of this machine', () => {
  const root = memoryTree({ 'have/sub/f0': {}, 'have/sub/other': {} });
  test.each<[where: string, actions: readonly FileAction[]]>([
    ['a new folder', [copyAction('/', '/new')]],
    ['one that is there', [copyAction('/a', '/have')]],
    [
      'one that was removed and made again',
      [copyAction('/a', '/new'), copyAction('/a', '/new'), copyAction('/a/sub', '/new')],
    ],
    [
      'a new folder, of which files are removed and replaced',
      [
        copyAction('/a', '/new'),
        { action: 'rm', path: '/new/f0', allowNotFound: false },
        { action: 'rm', path: '/new/sub', allowNotFound: false },
        copyAction('/a/sub/f1', '/new/f2'),
        copyAction('/a/sub/f1', '/new/sub'),
      ],
    ],
    ['a new folder, less what is excluded', [copyAction('/', '/new', { exclude: ['**/f1'] })]],
    ['a new folder, with another owner and mode', [copyAction('/', '/new', { chmod: 0o604, owner: { user: '7' } })]],
  ])('into %s is the same whether its files are looked at one by one or by the folder', async (_where, actions) => {
    const folder = temporaryFolder('copy');
    mkdirSync(`${folder}/a/sub/empty`, { recursive: true });
    for (const name of ['f0', 'f2', 'sub/f0', 'sub/f1', 'sub/z']) writeFileSync(`${folder}/a/${name}`, name);
    linkSync(`${folder}/a/sub/z`, `${folder}/a/linked`);
    symlinkSync('sub/f0', `${folder}/a/f1`);
    const open = () => openFolderTree(toBytePath(folder), compileIgnorePatterns([], '.dockerignore'));
    using byFolder = open();
    using byFile = open();
    const alone: FileTree = {
      lstat: (path) => byFile.lstat(path),
      readdir: (path) => byFile.readdir(path),
      contentPath: (path) => byFile.contentPath(path),
    };
    const { lines } = await layerOf(root, byFolder, actions);
    expect(lines.length).toBeGreaterThan(4);
    expect(lines).toEqual((await layerOf(root, alone, actions)).lines);
  });
});

describe('wildcards', () => {
  test('match within one folder, and folders that match are flattened', async () => {
    expect(await copied(EMPTY, copyAction('/*.txt', '/o/'))).toEqual([
      '/o dir 0755 0:0 new',
      '/o/a.txt file 0644 0:0 from /host/a.txt',
      '/o/b.txt file 0644 0:0 from /host/b.txt',
    ]);
    expect(await copied(EMPTY, copyAction('/deep/*', '/o/'))).toEqual([
      '/o dir 0755 0:0',
      '/o/one.json file 0644 0:0 from /host/deep/x/one.json',
      '/o/three.md file 0644 0:0 from /host/deep/y/three.md',
      '/o/two.json file 0644 0:0 from /host/deep/y/two.json',
    ]);
    expect(await copied(EMPTY, copyAction('/deep/[x-z]/*.json', '/o/'))).toHaveLength(3);
  });

  test('do not match through symlinks to folders, and nothing is no error but a missing folder is', async () => {
    expect(await copied(EMPTY, copyAction('/curr*/leaf', '/o/'))).toEqual([]);
    expect(await copied(EMPTY, copyAction('/nothing*', '/o/'))).toEqual([]);
    await expect(copied(EMPTY, copyAction('/nodir/*', '/o/'))).rejects.toThrow('"/nodir": not found');
  });
});

describe('flags of COPY', () => {
  test('--chown owns all that is copied and the folders made for it, not those that were there', async () => {
    const root = memoryTree({ 'have/': { uid: 5, gid: 6 } });
    const owner = { user: '33', group: '44' };
    expect(
      await copied(root, copyAction('/current', '/new/par', { owner }), copyAction('/f', '/have', { owner })),
    ).toEqual([
      '/have dir 0755 5:6',
      '/have/f file 0644 33:44 from /host/f',
      '/new dir 0755 33:44 new',
      '/new/par dir 0755 33:44',
      '/new/par/leaf file 0644 33:44 from /host/tree/sub/leaf',
    ]);
  });

  test('--chown of a number without a group takes the same group, and one with nothing behind the colon takes that of root', async () => {
    const owned = async (text: string) => copied(EMPTY, copyAction('/f', '/g', { owner: ownerOf(text) }));
    expect(await owned('7')).toEqual(['/g file 0644 7:7 from /host/f']);
    expect(await owned('7:')).toEqual(['/g file 0644 7:0 from /host/f']);
    expect(await owned(':8')).toEqual(['/g file 0644 0:8 from /host/f']);
  });

  test('--chmod in octal also goes to folders that are made, a symbolic one does not', async () => {
    expect(await copied(EMPTY, copyAction('/current', '/p/q', { chmod: 0o640 }))).toEqual([
      '/p dir 0640 0:0 new',
      '/p/q dir 0640 0:0',
      '/p/q/leaf file 0640 0:0 from /host/tree/sub/leaf',
    ]);
    expect(await copied(EMPTY, copyAction('/tree', '/c', { chmod: 'a=rX' }))).toEqual([
      '/c dir 0755 0:0',
      '/c/empty dir 0555 0:0',
      '/c/link symlink 0777 0:0 -> sub/leaf',
      '/c/sub dir 0555 0:0',
      '/c/sub/leaf file 0444 0:0 from /host/tree/sub/leaf',
      '/c/top file 0444 0:0 from /host/tree/top',
    ]);
  });

  test('--exclude leaves out what matches below the source, never the source itself', async () => {
    const exclude = ['**/*.md', 'x'];
    expect(await copied(EMPTY, copyAction('/deep', '/o', { exclude }))).toEqual([
      '/o dir 0755 0:0',
      '/o/y dir 0755 0:0',
      '/o/y/two.json file 0644 0:0 from /host/deep/y/two.json',
    ]);
    expect(await copied(EMPTY, copyAction('/a.txt', '/o', { exclude: ['*.txt'] }))).toHaveLength(1);
    expect(await copied(EMPTY, copyAction('/tree', '/o', { exclude: ['sub', '!sub/leaf', 'top', 'empty'] }))).toEqual([
      '/o dir 0755 0:0',
      '/o/link symlink 0777 0:0 -> sub/leaf',
      '/o/sub dir 2770 0:0',
      '/o/sub/leaf file 0644 0:0 from /host/tree/sub/leaf',
    ]);
  });

  test('--parents keeps the folders in front, or those after the pivot', async () => {
    expect(await copied(EMPTY, copyAction('/tree/sub/leaf', '/o/', { parents: true }))).toEqual([
      '/o dir 0755 0:0',
      '/o/tree dir 0755 0:0',
      '/o/tree/sub dir 2770 0:0',
      '/o/tree/sub/leaf file 0644 0:0 from /host/tree/sub/leaf',
    ]);
    expect(await copied(EMPTY, copyAction('/deep/./**/*.json', '/o/', { parents: true }))).toEqual([
      '/o dir 0755 0:0',
      '/o/x dir 0755 0:0',
      '/o/x/one.json file 0644 0:0 from /host/deep/x/one.json',
      '/o/y dir 0755 0:0',
      '/o/y/two.json file 0644 0:0 from /host/deep/y/two.json',
    ]);
  });
});
