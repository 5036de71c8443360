import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { LayerStack, LayerStore } from '../../../cache/layers/layer-store.ts';
import { createDiffOp } from '../../../solver/ops/diff-op.ts';
import { createImageOp } from '../../../solver/ops/image-op.ts';
import { createMergeOp } from '../../../solver/ops/merge-op.ts';
import type { OpServices } from '../../../solver/ops/services.ts';
import type { OpContext } from '../../../solver/solver.ts';
import { type ImageOp, type InputRef, vertex } from '../../../solver/vertex.ts';
import { toBytePath } from '../../../src/core/byte-path.ts';
import { MEDIA } from '../../../src/core/descriptor.ts';
import { type DiffID, digestOf } from '../../../src/core/digest.ts';
import { silentProgress } from '../../../src/core/progress.ts';
import { addLayer, type LayerRig, openLayerRig, type TestEntry } from '../../rig/layers.ts';

let rig: LayerRig;

beforeEach(() => {
  rig = openLayerRig();
});

afterEach(() => {
  rig[Symbol.dispose]();
});

const context: OpContext = { signal: new AbortController().signal, progress: silentProgress, stepId: 'step' };

function services(layers: LayerStore = rig.layers): OpServices {
  const unused = () => {
    throw new Error('not used here');
  };
  return {
    layers,
    content: rig.content,
    digestContent: unused,
    cacheMounts: { acquire: unused, empty: unused },
    downloads: { lookup: unused, save: unused },
    fetch: unused,
    git: unused,
    executor: unused,
    context: unused,
    blobSource: () => ({ fetch: unused }),
    temporaryPath: unused,
    secret: unused,
    sshAgent: unused,
    trust: unused,
    entitlements: [],
    devices: () => [],
  };
}

const layer = (files: Readonly<Record<string, TestEntry>>) => addLayer(rig.layers, files);

/** Every path of a stack with what tells it apart. */
async function list(stack: LayerStack | 'local'): Promise<string[]> {
  if (stack === 'local') throw new Error('no stack');
  using view = await rig.layers.view(stack, context.signal);
  const lines: string[] = [];
  const visit = (folder: string) => {
    for (const name of view.readdir(toBytePath(folder))) {
      const path = `${folder === '/' ? '' : folder}/${name}`;
      const entry = view.lstat(toBytePath(path));
      lines.push(`${path} ${entry?.type} ${entry?.mode.toString(8)} ${entry?.size} ${entry?.target ?? ''}`.trim());
      visit(path);
    }
  };
  visit('/');
  return lines;
}

describe('the diff op', () => {
  const exec = (lower: InputRef, upper: InputRef, inputs: readonly LayerStack[]) => {
    const of = vertex({ kind: 'diff', lower, upper }, [], { name: 'diff' });
    return createDiffOp({ kind: 'diff', lower, upper }, of, services()).exec(inputs, context);
  };

  it('gives the layers above a common stack as they are', async () => {
    const [a, b, c] = [layer({ '/a': { text: '' } }), layer({ '/b': { text: '' } }), layer({ '/c': { text: '' } })];
    expect(await exec(0, 1, [[a], [a, b, c]])).toEqual([b, c]);
    expect(await exec('scratch', 0, [[a, b]])).toEqual([a, b]);
    expect(await exec(0, 1, [[a], [a]])).toEqual([]);
  });

  it('turns any stack into the other: what was added, changed, removed, and became something else', async () => {
    const lower = layer({
      '/same': { text: 'same' },
      '/changed': { text: 'before' },
      '/mode': { text: '', mode: 0o644 },
      '/gone': { folder: true },
      '/gone/f': { text: '' },
      '/d': { folder: true },
      '/d/gone': { text: '' },
      '/d/same': { text: '' },
      '/file-to-folder': { text: '' },
      '/folder-to-file': { folder: true },
      '/folder-to-file/f': { text: '' },
      '/link': { symlink: 'a' },
    });
    const upper = layer({
      '/same': { text: 'same' },
      '/changed': { text: 'after, longer' },
      '/mode': { text: '', mode: 0o755 },
      '/d': { folder: true },
      '/d/same': { text: '' },
      '/d/new': { folder: true },
      '/d/new/f': { text: 'new' },
      '/file-to-folder': { folder: true },
      '/file-to-folder/f': { text: '' },
      '/folder-to-file': { text: 'file' },
      '/link': { symlink: 'b' },
    });
    const diff = await exec(0, 1, [[lower], [upper]]);
    if (diff === 'local') throw new Error('no stack');
    expect(diff).toHaveLength(1);
    expect(await list([lower, ...diff])).toEqual(await list([upper]));
    const changed = [...(await rig.layers.entries(diff[0] as LayerStack[number], context.signal))];
    expect(changed.map((entry) => entry.path)).not.toContain('/same');
    expect(changed.map((entry) => entry.path)).not.toContain('/d/same');
  });

  it('keeps the names of one inode together', async () => {
    const lower = layer({ '/x': { text: '' } });
    const upper = layer({
      '/x': { text: '' },
      '/a': { text: 'same', link: '1' },
      '/b': { hardLinkTo: '/a', text: 'same', link: '1' },
    });
    const diff = await exec(0, 1, [[lower], [upper]]);
    if (diff === 'local') throw new Error('no stack');
    const entries = [...(await rig.layers.entries(diff[0] as LayerStack[number], context.signal))];
    const second = entries.find((entry) => entry.path === '/b');
    expect(second?.change).toMatchObject({ kind: 'present', hardLinkTo: '/a' });
  });
});

describe('the merge op', () => {
  it('stacks its inputs, scratch being nothing', async () => {
    const [a, b] = [layer({ '/f': { text: 'a' } }), layer({ '/f': { text: 'later' } })];
    const of = vertex({ kind: 'merge' }, [], { name: 'merge' });
    const merged = await createMergeOp({ kind: 'merge' }, of).exec([[a], [], [b]], context);
    expect(merged).toEqual([a, b]);
    expect(await list(merged)).toEqual(['/f file 644 5']);
  });
});

describe('the image op', () => {
  const image = (changes: Partial<ImageOp> = {}): ImageOp => ({
    kind: 'image',
    ref: 'docker.io/library/a:1',
    manifest: digestOf('manifest'),
    platform: { os: 'linux', architecture: 'amd64' },
    layers: [
      {
        descriptor: { mediaType: MEDIA.ociLayerGzip, digest: digestOf('blob'), size: 4 },
        diffId: digestOf('tar') as DiffID,
      },
    ],
    from: 'registry',
    ...changes,
  });
  const digest = async (op: ImageOp) => (await createImageOp(op, services()).cacheMap(context)).digest;

  it('is known by the layers alone: another tag, config or compression of the same layers is the same', async () => {
    const [only] = image().layers;
    if (only === undefined) throw new Error('no layer');
    const zstd = { ...only, descriptor: { ...only.descriptor, mediaType: MEDIA.ociLayerZstd, digest: digestOf('z') } };
    const same = [image({ ref: 'b' }), image({ manifest: digestOf('other') }), image({ layers: [zstd] })];
    for (const other of same) expect(await digest(other)).toBe(await digest(image()));
    const different = image({ layers: [{ ...only, diffId: digestOf('other tar') as DiffID }] });
    expect(await digest(different)).not.toBe(await digest(image()));
  });

  it('names its layers when its key is asked for, and fetches nothing', async () => {
    const op = createImageOp(image(), services());
    await op.cacheMap(context);
    const stack = await op.exec([], context);
    expect(stack).toEqual([digestOf('tar').slice('sha256:'.length)]);
  });
});

describe('a tree that was made from a view', () => {
  it('has its bytes after the view was disposed', async () => {
    const lower = layer({ '/f': { text: 'before' } });
    const upper = layer({ '/f': { text: 'after, from memory' } });
    const of = vertex({ kind: 'diff', lower: 0, upper: 1 }, [], { name: 'diff' });
    const diff = await createDiffOp({ kind: 'diff', lower: 0, upper: 1 }, of, services()).exec(
      [[lower], [upper]],
      context,
    );
    if (diff === 'local') throw new Error('no stack');
    const blob = await rig.layers.blob(diff[0] as LayerStack[number], { type: 'gzip' }, { signal: context.signal });
    expect(rig.content.size(blob.descriptor.digest)).toBe(blob.descriptor.size);
  });
});
