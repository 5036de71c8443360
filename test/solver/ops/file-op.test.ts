import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { createContentDigester } from '../../../cache/content-digest.ts';
import type { LayerId, LayerStack, TreeEntry } from '../../../cache/layers/layer-store.ts';
import { createFileOp } from '../../../solver/ops/file-op.ts';
import type { OpServices } from '../../../solver/ops/services.ts';
import type { OpContext } from '../../../solver/solver.ts';
import { type CopyAction, type FileAction, type Vertex, vertex } from '../../../solver/vertex.ts';
import { openFolderContext } from '../../../src/context/folder-context.ts';
import { silentProgress } from '../../../src/core/progress.ts';
import { folderOf } from '../../context/rig.ts';
import { memoryTree, type TreeDescription } from './file/memory-tree.ts';
import { copyAction, describeEntry, NOW } from './file/rig.ts';

const CONTEXT: OpContext = { signal: new AbortController().signal, progress: silentProgress, stepId: '1' };
const BASE = ['base'] as unknown as LayerStack;
const LOCAL = vertex({ kind: 'local', name: 'context' }, [], { name: 'load' });
const ROOT = vertex({ kind: 'merge' }, [], { name: 'root', stage: 'base' });

/** A file op over a context folder (input 1) and a root (input 0), with what it added. */
function fileOp(options: {
  readonly folder: string;
  readonly root?: TreeDescription;
  readonly actions: readonly FileAction[];
  readonly source?: Vertex;
}) {
  const added: TreeEntry[][] = [];
  const views = { open: 0 };
  const layers = {
    addTree: (entries: Iterable<TreeEntry>) => {
      added.push([...entries]);
      return `layer${added.length}` as LayerId;
    },
    view: async () => {
      views.open++;
      return { ...memoryTree(options.root ?? {}), [Symbol.dispose]: () => void views.open-- };
    },
  };
  const known = {
    files: { lookup: () => undefined, note: () => {}, flush: () => {} },
    folders: { get: () => undefined, set: () => {}, flush: () => {} },
  };
  const context = openFolderContext(options.folder, { description: 'the build context' });
  const services = {
    layers,
    digestContent: createContentDigester(known),
    context: async () => context,
  } as unknown as OpServices;
  const inputs = [ROOT, options.source ?? LOCAL];
  const made: Vertex = vertex({ kind: 'file', root: 0, actions: options.actions }, inputs, { name: 'COPY' });
  return { op: createFileOp(made, services, () => NOW * 1000 + 7), added, views };
}

async function keyOf(folder: string, ...actions: readonly CopyAction[]) {
  const { inputs } = await fileOp({ folder, actions }).op.cacheMap(CONTEXT);
  const key = inputs[1];
  if (key?.by !== 'content') throw new Error('the context must be read by content');
  const { digest, parts } = await key.digest('local', CONTEXT);
  return { digest, names: parts.map(({ name }) => name) };
}

describe('a file op', () => {
  test('adds one layer to its root with the actions in order, and lets go of what it looked at', async () => {
    const folder = folderOf({ f: 'f', g: 'g' });
    const actions: FileAction[] = [
      { action: 'mkdir', path: '/w/x', mode: 0o755, parents: true, owner: { user: '5' } },
      copyAction('/f', '/w/x'),
      { action: 'mkfile', destination: '/w/h', text: 'héredoc', mode: 0o644 },
      { action: 'rm', path: '/old', allowNotFound: false },
    ];
    const { op, added, views } = fileOp({ folder, root: { 'old/': {}, 'old/f': {} }, actions });
    expect(await op.exec([BASE, 'local'], CONTEXT)).toEqual(['base', 'layer1']);
    expect(added[0]?.map(describeEntry)).toEqual([
      '/old removed',
      '/w dir 0755 5:5 new',
      '/w/h file 0644 0:0 "héredoc" new',
      '/w/x dir 0755 5:5 new',
      expect.stringMatching(`^/w/x/f file 0644 0:0 from ${folder}/f$`),
    ]);
    expect(views.open).toBe(0);
  });

  test('adds an empty layer where nothing changes', async () => {
    const actions: FileAction[] = [{ action: 'mkdir', path: '/link/d', mode: 0o700, parents: true }];
    const { op, added } = fileOp({ folder: folderOf({}), root: { 'real/d/': {}, link: '-> /real' }, actions });
    expect(await op.exec([BASE, 'local'], CONTEXT)).toEqual(['base', 'layer1']);
    expect(added).toEqual([[]]);
  });

  test('keys the root by its definition, and covers every part of the action but its wording', async () => {
    const folder = folderOf({ f: '' });
    const digests = new Set<string | undefined>();
    const action = copyAction('/f', '/o');
    const others: Partial<CopyAction>[] = [
      {},
      { destination: '/o/' },
      { owner: { user: '1' } },
      { owner: { user: '1', group: '2' } },
      { chmod: 0o644 },
      { chmod: 'a+x' },
      { unpack: true },
      { exclude: ['x'] },
      { parents: true },
      { link: true },
    ];
    for (const other of others) {
      const { digest, inputs } = await fileOp({ folder, actions: [{ ...action, ...other }] }).op.cacheMap(CONTEXT);
      expect(inputs[0]).toEqual({ by: 'definition' });
      digests.add(digest);
    }
    expect(digests.size).toBe(others.length);
    const reworded = await fileOp({ folder, actions: [{ ...action, written: './f' }] }).op.cacheMap(CONTEXT);
    expect(digests).toContain(reworded.digest);
  });
});

describe('the content key of a COPY', () => {
  const files = { 'src/f': 'f', 'src/sub/g': 'g', 'a.txt': 'a', 'b.txt': 'b', other: 'o' };

  test('names just the files that are read', async () => {
    const folder = folderOf(files);
    expect((await keyOf(folder, copyAction('/src', '/o'))).names).toEqual([
      'file /src',
      'file /src/f',
      'file /src/sub',
      'file /src/sub/g',
    ]);
    expect((await keyOf(folder, copyAction('/*.txt', '/o/'))).names).toEqual(['file /a.txt', 'file /b.txt']);
    expect((await keyOf(folder, copyAction('/src', '/o', { exclude: ['sub'] }))).names).toEqual([
      'file /src',
      'file /src/f',
    ]);
    expect((await keyOf(folder, copyAction('/src/sub/g', '/o/', { parents: true }))).names).toEqual([
      'file /',
      'file /src',
      'file /src/sub',
      'file /src/sub/g',
    ]);
  });

  test('does not change with other files, and does with those', async () => {
    const folder = folderOf(files);
    const action = copyAction('/src', '/o', { exclude: ['sub'] });
    const before = await keyOf(folder, action);
    writeFileSync(join(folder, 'other'), 'changed');
    writeFileSync(join(folder, 'src/sub/g'), 'changed');
    expect((await keyOf(folder, action)).digest).toBe(before.digest);
    writeFileSync(join(folder, 'src/f'), 'changed');
    expect((await keyOf(folder, action)).digest).not.toBe(before.digest);
  });

  test('follows a symlink that is the source', async () => {
    const folder = folderOf({ 'v1/f': 'one', 'v2/f': 'two', 'v3/f': 'one', a: '-> v1', b: '-> v2', c: '-> v3' });
    const digests = ['a', 'b', 'c'].map(async (name) => (await keyOf(folder, copyAction(`/${name}`, '/o'))).names);
    expect(await Promise.all(digests)).toEqual([
      ['file /a', 'file /a/f'],
      ['file /b', 'file /b/f'],
      ['file /c', 'file /c/f'],
    ]);
  });
});

describe('a source that is not there', () => {
  test.each([
    ['/secret.txt', '"/secret.txt": not found in the build context', '.dockerignore line 2 ("*.txt") excludes it'],
    ['/pakage.json', '"/pakage.json": not found', 'did you mean "package.json"?'],
    ['/src/readme.md', '"/src/readme.md": not found', 'did you mean "src/README.md"?'],
    ['/package.json/x', '"/package.json/x": not found', '"/package.json" is a file, not a folder'],
    ['/dangling', '"/dangling": not found', 'a symlink to "../outside"'],
    ['/nodir/*.c', '"/nodir": not found', undefined],
  ])('is told with the likeliest reason: %s', async (source, message, hint) => {
    const folder = folderOf({
      '.dockerignore': '# comment\n*.txt\n',
      'secret.txt': '',
      'package.json': '',
      'src/README.md': '',
      dangling: '-> ../outside',
    });
    const error = await keyOf(folder, copyAction(source, '/o')).catch((caught: unknown) => caught);
    expect(error).toMatchObject({ code: 'SLIPWAY_COPY_SOURCE_MISSING', message: expect.stringContaining(message) });
    expect((error as { hint?: string }).hint ?? '').toContain(hint ?? '');
    const { op } = fileOp({ folder, actions: [copyAction(source, '/o')] });
    await expect(op.exec([BASE, 'local'], CONTEXT)).rejects.toThrow(message);
  });

  test.each([
    ['stage "build"', { name: '[build 1/2] RUN x', stage: 'build' }],
    ['the result of [1/2] RUN x', { name: '[1/2] RUN x', stage: '' }],
  ])('is said to be missing in %s', async (place, options) => {
    const source = vertex({ kind: 'merge' }, [], options);
    const { op } = fileOp({ folder: folderOf({}), actions: [copyAction('/f', '/o')], source });
    await expect(op.exec([BASE, []], CONTEXT)).rejects.toThrow(`"/f": not found in ${place}`);
  });

  test('is not the root of scratch, which has nothing in it', async () => {
    const everything = { ...copyAction('/', '/o/'), input: 'scratch' } as const;
    const { op, added } = fileOp({ folder: folderOf({}), actions: [everything] });
    await op.exec([BASE, 'local'], CONTEXT);
    expect(added[0]?.map(({ path }) => path)).toEqual(['/o']);
    const file = fileOp({ folder: folderOf({}), actions: [{ ...everything, source: '/f' }] });
    await expect(file.op.exec([BASE, 'local'], CONTEXT)).rejects.toThrow('"/f": not found in scratch');
  });

  test('is found out with --parents too', async () => {
    const folder = folderOf({ 'src/f': '', link: '-> src' });
    const action = copyAction('/link/f', '/o', { parents: true, mustMatch: true });
    await expect(keyOf(folder, action)).rejects.toThrow('"/link/f": not found');
    expect((await keyOf(folder, { ...action, source: '/src/f' })).names).toContain('file /src/f');
  });
});

describe('owners', () => {
  const passwd = 'root:x:0:0::/:\napp:x:1000:1001::/:\n';

  test('are looked up in the root, and root where it does not know them, with a warning', async () => {
    const folder = folderOf({ f: '', passwd });
    const events: unknown[] = [];
    const context = { ...CONTEXT, progress: { emit: (event: unknown) => void events.push(event) } };
    const actions = [
      copyAction('/f', '/a', { owner: { user: 'app' } }),
      copyAction('/f', '/b', { owner: { user: 'who' } }),
    ];
    const root = memoryTree({ 'etc/passwd': { size: passwd.length } });
    const made = vertex({ kind: 'file', root: 0, actions }, [ROOT, LOCAL], { name: 'COPY' });
    const entries: TreeEntry[] = [];
    const op = createFileOp(made, {
      layers: {
        addTree: (found: Iterable<TreeEntry>) => {
          entries.push(...found);
          return 'layer' as LayerId;
        },
        view: async () => ({ ...root, contentPath: () => join(folder, 'passwd'), [Symbol.dispose]: () => {} }),
      },
      context: async () => openFolderContext(folder, { description: 'the build context' }),
    } as unknown as OpServices);
    await op.exec([BASE, 'local'], context);
    expect(entries.map(describeEntry).map((line) => line.split(' from ')[0])).toEqual([
      '/a file 0644 1000:1001',
      '/b file 0644 0:0',
    ]);
    expect(events).toEqual([expect.objectContaining({ type: 'warning', message: expect.stringContaining('"who"') })]);
  });
});
