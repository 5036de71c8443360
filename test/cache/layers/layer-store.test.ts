import { execFileSync, spawnSync } from 'node:child_process';
import { chownSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { gunzipSync, gzipSync } from 'node:zlib';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { openContentStore } from '../../../cache/content/file-content-store.ts';
import { blobTar } from '../../../cache/layers/blob-tar.ts';
import { createLayerStore } from '../../../cache/layers/create-layer-store.ts';
import type { LayerId, TreeEntry } from '../../../cache/layers/layer-store.ts';
import { openLeases } from '../../../cache/leases.ts';
import { openStore } from '../../../cache/store.ts';
import type { BytePath } from '../../../src/core/byte-path.ts';
import { type DiffID, digestOf } from '../../../src/core/digest.ts';
import { addLayer, type LayerRig, openLayerRig } from '../../rig/layers.ts';
import { archiveOf, item, readArchive } from '../tar/archives.ts';
import { collect, isRealRoot, pulledLayer } from './hostile-layers.ts';

const root = isRealRoot();
if (!root)
  console.warn('SKIPPED: folders of layers need root, or root of a user namespace, and this process is neither');

let rig: LayerRig;
beforeEach(() => {
  rig = openLayerRig();
});
afterEach(() => rig[Symbol.dispose]());

const { signal } = new AbortController();
const path = (text: string) => text as BytePath;

const FILES = {
  '/app': { folder: true },
  '/app/b': { text: 'bytes of b', mode: 0o600, link: 'one' },
  '/app/a': { hardLinkTo: '/app/b', text: 'bytes of b', link: 'one' },
  '/app/s': { symlink: '../etc/x' },
  '/app.txt': { text: 'next to app' },
} as const;

function blobBytes(digest: Parameters<typeof rig.content.read>[0]): Buffer {
  return rig.content.read(digest);
}

async function tarOf(layer: LayerId, epoch?: number): Promise<Buffer> {
  const blob = await rig.layers.blob(
    layer,
    { type: 'uncompressed' },
    { signal, ...(epoch === undefined ? {} : { epoch }) },
  );
  return blobBytes(blob.descriptor.digest);
}

/** The store as another process sees it. */
function reopened(): Disposable & { readonly layers: LayerRig['layers'] } {
  const store = openStore(`${rig.folder}/store`);
  const layers = createLayerStore({ store, content: openContentStore(store), leases: openLeases(store.database) });
  return { layers, [Symbol.dispose]: () => store[Symbol.dispose]() };
}

describe('the blob of a tree layer', () => {
  it('has these very bytes, on every machine', async () => {
    const tar = await tarOf(addLayer(rig.layers, FILES));
    expect(digestOf(tar)).toBe('sha256:601a7821aa95a02156d61e82e0d9848c4e7259a4ff0933422e01db340889e234');
    expect(readArchive(tar).map(({ path, type, target }) => [path, type, target])).toEqual([
      ['app/', 'dir', undefined],
      ['app/a', 'file', undefined],
      ['app/b', 'hardlink', 'app/a'],
      ['app/s', 'symlink', '../etc/x'],
      ['app.txt', 'file', undefined],
    ]);
  });

  it('does not depend on the order of the entries', async () => {
    const names = ['/app.txt', '/app', '/app/s', '/app/b', '/app/a'] as const;
    const shuffled = Object.fromEntries(names.map((name) => [name, FILES[name]]));
    const digests = [FILES, shuffled].map(async (files) => digestOf(await tarOf(addLayer(rig.layers, files))));
    const [one, other] = await Promise.all(digests);
    expect(one).toBe(other);
  });

  it.skipIf(!root)('is the same when it is made from the folder', async () => {
    const expected = await tarOf(addLayer(rig.layers, FILES));
    const layer = addLayer(rig.layers, FILES);
    using _mounted = await rig.layers.mount([layer], signal);
    using other = reopened();
    const blob = await other.layers.blob(layer, { type: 'uncompressed' }, { signal });
    expect(blob.diffId).toBe(digestOf(expected));
  });

  it.each([
    ['gzip', 'tar+gzip'],
    ['zstd', 'tar+zstd'],
    ['uncompressed', 'tar'],
  ] as const)('is compressed with %s and says so', async (type, suffix) => {
    const { descriptor, diffId } = await rig.layers.blob(addLayer(rig.layers, FILES), { type }, { signal });
    const bytes = blobBytes(descriptor.digest);
    expect(descriptor.mediaType).toBe(`application/vnd.oci.image.layer.v1.${suffix}`);
    expect([descriptor.size, descriptor.digest]).toEqual([bytes.length, digestOf(bytes)]);
    const tar = await collect(blobTar(rig.content.path(descriptor.digest) ?? ''));
    expect(digestOf(tar)).toBe(diffId);
  });

  it('clamps mtimes to the epoch, and leaves older ones', async () => {
    const layer = addLayer(rig.layers, { '/new': { text: '1', mtime: 2000 }, '/old': { text: '2', mtime: 500 } });
    expect(readArchive(await tarOf(layer, 1000)).map(({ mtime }) => mtime)).toEqual([1000, 500]);
    expect(readArchive(await tarOf(layer)).map(({ mtime }) => mtime)).toEqual([2000, 500]);
  });

  it('stays in the compression it has unless that is forced', async () => {
    const layer = addLayer(rig.layers, FILES);
    const first = await rig.layers.blob(layer, { type: 'gzip' }, { signal });
    expect(await rig.layers.blob(layer, { type: 'zstd' }, { signal })).toMatchObject(first);
    const forced = await rig.layers.blob(layer, { type: 'zstd', force: true }, { signal });
    expect(forced.descriptor.mediaType).toContain('zstd');
    expect(forced.diffId).toBe(first.diffId);
  });

  it('is made once for callers at the same time', async () => {
    const layer = addLayer(rig.layers, FILES);
    const blobs = await Promise.all([1, 2, 3].map(() => rig.layers.blob(layer, { type: 'gzip' }, { signal })));
    expect(new Set(blobs.map(({ descriptor }) => descriptor.digest)).size).toBe(1);
  });

  it.each([
    [{ type: 'estargz', level: 10 }, 'SLIPWAY_COMPRESSION_LEVEL_INVALID'],
    [{ type: 'gzip', level: 10 }, 'SLIPWAY_COMPRESSION_LEVEL_INVALID'],
    [{ type: 'zstd', level: 1.5 }, 'SLIPWAY_COMPRESSION_LEVEL_INVALID'],
  ] as const)('is refused for %o', async (compression, code) => {
    await expect(rig.layers.blob(addLayer(rig.layers, FILES), compression, { signal })).rejects.toMatchObject({ code });
  });

  it('cannot have a file whose name means a whiteout', async () => {
    const layer = addLayer(rig.layers, { '/.wh.x': { text: '' } });
    await expect(tarOf(layer)).rejects.toMatchObject({ code: 'SLIPWAY_LAYER_NAME_RESERVED' });
  });

  it('has whiteouts before what else is in a folder, and opaque markers right below theirs', async () => {
    const opaque: TreeEntry = {
      path: path('/z'),
      change: { kind: 'present', opaque: true, file: { type: 'dir', mode: 0o755, uid: 0, gid: 0, size: 0, mtime: 1 } },
    };
    const layer = rig.layers.addTree([opaque, { path: path('/zz'), change: { kind: 'removed' } }]);
    expect(readArchive(await tarOf(layer)).map((entry) => entry.path)).toEqual(['.wh.zz', 'z/', 'z/.wh..wh..opq']);
  });
});

describe.skipIf(!root)('a tree layer of files of this machine', () => {
  const hostLayer = (name: string, text: string, changes: { size?: number; mtimeMs?: number } = {}) => {
    const host = `${rig.folder}/${name}`;
    writeFileSync(host, text);
    const stats = statSync(host);
    const file = { type: 'file', mode: 0o755, uid: 0, gid: 0, size: changes.size ?? text.length, mtime: 1 } as const;
    const content = { kind: 'host', path: path(host), mtimeMs: changes.mtimeMs ?? stats.mtimeMs } as const;
    return { host, layer: rig.layers.addTree([{ path: path('/f'), change: { kind: 'present', file, content } }]) };
  };

  it('is copied without a change, small files and large ones, whoever they belonged to', async () => {
    for (const size of [10, 3_000_000]) {
      const { host, layer } = hostLayer('f', 'x'.repeat(size));
      chownSync(host, 1234, 5678);
      using mounted = await rig.layers.mount([layer], signal);
      expect(readFileSync(`${mounted.lowerDirs[0]}/f`, 'utf8')).toBe('x'.repeat(size));
      const stats = statSync(`${mounted.lowerDirs[0]}/f`);
      expect([stats.mtimeMs, stats.mode & 0o7777, stats.uid, stats.gid]).toEqual([1000, 0o755, 0, 0]);
    }
  });

  it.each<[string, string]>([
    ['was written to', 'echo other > "$1"'],
    ['is gone', 'rm "$1"'],
    ['became a symlink', 'mv "$1" "$1.old" && ln -s "$1.old" "$1"'],
    ['became a fifo', 'rm "$1" && mkfifo "$1"'],
    ['became a folder', 'rm "$1" && mkdir "$1"'],
  ])('is an error when a file %s since it was seen', async (_name, script) => {
    const { host, layer } = hostLayer('f', 'bytes');
    execFileSync('sh', ['-c', script, 'sh', host]);
    const code = { code: 'SLIPWAY_CONTEXT_CHANGED' };
    await expect(rig.layers.blob(layer, { type: 'gzip' }, { signal })).rejects.toMatchObject(code);
    await expect(rig.layers.mount([layer], signal)).rejects.toMatchObject(code);
    using view = await rig.layers.view([layer], signal);
    expect(() => view.contentPath(path('/f'))).toThrow(expect.objectContaining(code));
    expect(readdirSync(`${rig.folder}/store/layers`)).toEqual([]);
  });
});

describe.skipIf(!root)('a pulled layer', () => {
  const tar = () => archiveOf([item({ path: 'a' }, 'text')]);

  it('is neither fetched nor unpacked until it is needed', async () => {
    const fetched: string[] = [];
    const blob = gzipSync(tar());
    const descriptor = {
      mediaType: 'application/vnd.docker.image.rootfs.diff.tar.gzip',
      digest: digestOf(blob),
      size: blob.length,
    };
    const source = {
      fetch: async () => {
        fetched.push('fetched');
        rig.content.put(blob);
      },
    };
    const layer = rig.layers.addBlob(descriptor, digestOf(tar()) as DiffID, source);
    expect(rig.layers.addBlob(descriptor, digestOf(tar()) as DiffID, source)).toBe(layer);
    expect(await rig.layers.blob(layer, { type: 'gzip' }, { signal, epoch: 0 })).toEqual({
      descriptor,
      diffId: digestOf(tar()),
    });
    expect([fetched, rig.layers.isDurable([layer])]).toEqual([[], true]);
    await Promise.all([rig.layers.ensureFetched(layer, signal), rig.layers.ensureFetched(layer, signal)]);
    using mounted = await rig.layers.mount([layer], signal);
    expect(readdirSync(mounted.lowerDirs[0] ?? '')).toEqual(['a']);
    expect(fetched).toEqual(['fetched']);
  });

  it('keeps its diffID in another compression', async () => {
    const layer = pulledLayer(rig, tar());
    const forced = await rig.layers.blob(layer, { type: 'zstd', force: true }, { signal });
    const bytes = await collect(blobTar(rig.content.path(forced.descriptor.digest) ?? ''));
    expect(bytes.equals(tar())).toBe(true);
    expect(forced.diffId).toBe(digestOf(tar()));
  });

  it('cannot be used when nobody knows where its bytes are', async () => {
    const layer = pulledLayer(rig, tar());
    const { descriptor } = await rig.layers.blob(layer, { type: 'gzip' }, { signal });
    rig.content.delete(descriptor.digest);
    using other = reopened();
    expect(other.layers.isDurable([layer])).toBe(false);
    await expect(other.layers.mount([layer], signal)).rejects.toMatchObject({ code: 'SLIPWAY_LAYER_MISSING' });
  });
});

describe.skipIf(!root)('a layer in another process', () => {
  it('is there once it has a blob or a folder, and not before', async () => {
    const [tree, blob, folder] = [1, 2, 3].map(() => addLayer(rig.layers, FILES)) as [LayerId, LayerId, LayerId];
    const made = await rig.layers.blob(blob, { type: 'gzip' }, { signal });
    using _mounted = await rig.layers.mount([folder], signal);
    using other = reopened();
    expect([tree, blob, folder].map((layer) => other.layers.isDurable([layer]))).toEqual([false, true, true]);
    expect(await other.layers.blob(blob, { type: 'gzip' }, { signal })).toMatchObject(made);
    using view = await other.layers.view([blob], signal);
    expect(readFileSync(view.contentPath(path('/app/b')), 'utf8')).toBe('bytes of b');
  });

  it('is unpacked by several processes at once without harm', async () => {
    const files = Array.from({ length: 300 }, (_, index) => item({ path: `f${index}` }, `text ${index}`));
    const layer = pulledLayer(rig, archiveOf(files));
    const script = `
      import { createLayerStore } from '${import.meta.dirname}/../../../cache/layers/create-layer-store.ts';
      import { openContentStore } from '${import.meta.dirname}/../../../cache/content/file-content-store.ts';
      import { openLeases } from '${import.meta.dirname}/../../../cache/leases.ts';
      import { openStore } from '${import.meta.dirname}/../../../cache/store.ts';
      using store = openStore('${rig.folder}/store');
      const layers = createLayerStore({ store, content: openContentStore(store), leases: openLeases(store.database) });
      using mounted = await layers.mount(['${layer}'], new AbortController().signal);
      console.log(mounted.lowerDirs[0]);`;
    const { spawn } = await import('node:child_process');
    const runs = Array.from({ length: 4 }, () => {
      const child = spawn(process.execPath, ['--input-type=module-typescript', '-e', script], {
        stdio: ['ignore', 'pipe', 'inherit'],
      });
      return child.stdout.toArray().then((chunks) => Buffer.concat(chunks).toString().trim());
    });
    const folders = await Promise.all(runs);
    expect(new Set(folders).size).toBe(1);
    expect(readdirSync(folders[0] ?? '')).toHaveLength(300);
    expect(readdirSync(`${rig.folder}/store/layers`)).toHaveLength(1);
  });
});

describe.skipIf(!root)('a layer of which only a blob with an epoch is left', () => {
  it('still has its mtimes when it is asked for with a later epoch, or none', async () => {
    const files = {
      '/d': { folder: true },
      '/d/new': { text: '1', mtime: 3000 },
      '/old': { text: '2', mtime: 500 },
    } as const;
    const expected = addLayer(rig.layers, files);
    const layer = addLayer(rig.layers, files);
    await rig.layers.blob(layer, { type: 'gzip' }, { signal, epoch: 1000 });
    using other = reopened();
    for (const epoch of [{ epoch: 2000 }, {}]) {
      const blob = await other.layers.blob(layer, { type: 'gzip' }, { signal, ...epoch });
      expect(blob.diffId).toBe((await rig.layers.blob(expected, { type: 'gzip' }, { signal, ...epoch })).diffId);
    }
  });
});

describe.skipIf(!root)('a cancelled conversion', () => {
  it('keeps nothing, and the next one works', async () => {
    const layer = pulledLayer(rig, archiveOf([item({ path: 'a' }, 'x'.repeat(2_000_000))]));
    const controller = new AbortController();
    const first = rig.layers.mount([layer], controller.signal);
    const second = rig.layers.mount([layer], signal);
    controller.abort();
    await expect(first).rejects.toThrow();
    using mounted = await second;
    expect(readdirSync(mounted.lowerDirs[0] ?? '')).toEqual(['a']);
  });
});

describe.skipIf(!root)('an active layer', () => {
  it('becomes a layer when it is committed, and nothing when it is not', async () => {
    let layer: LayerId;
    {
      await using active = await rig.layers.prepare();
      writeFileSync(`${active.upperDir}/file`, 'text');
      layer = await active.commit();
    }
    {
      await using active = await rig.layers.prepare();
      writeFileSync(`${active.upperDir}/dropped`, 'text');
    }
    expect(rig.layers.isDurable([layer])).toBe(true);
    expect([...(await rig.layers.entries(layer, signal))].map((entry) => entry.path)).toEqual(['/file']);
    expect(readdirSync(`${rig.folder}/store/layers`)).toHaveLength(1);
  });
});

describe('gzip in members', () => {
  const big = (changed?: number) =>
    Object.fromEntries(
      Array.from({ length: 2000 }, (_, index) => {
        const words = Array.from({ length: 1800 }, (_word, place) =>
          Math.imul(index * 1801 + place, 0x9e3779b1).toString(36),
        );
        return [`/f${index}`, { text: `${words.join(' ')}${index === changed ? 'changed' : ''}` }];
      }),
    );

  it('is read by GNU gzip and Python, and is nearly as small as one stream', async (context) => {
    const { descriptor, diffId } = await rig.layers.blob(addLayer(rig.layers, big()), { type: 'gzip' }, { signal });
    const file = rig.content.path(descriptor.digest) ?? '';
    const tar = gunzipSync(readFileSync(file));
    expect(digestOf(tar)).toBe(diffId);
    expect(descriptor.size).toBeLessThan(gzipSync(tar, { level: 6 }).length * 1.03);
    if (spawnSync('gzip', ['--version']).status !== 0) context.skip('no gzip on this machine');
    expect(execFileSync('gzip', ['-dc'], { input: readFileSync(file), maxBuffer: 1 << 28 }).equals(tar)).toBe(true);
    const python = spawnSync('python3', [
      '-c',
      'import sys,gzip,hashlib; print(hashlib.sha256(gzip.open(sys.argv[1]).read()).hexdigest())',
      file,
    ]);
    if (python.error === undefined) expect(`sha256:${python.stdout.toString().trim()}`).toBe(diffId);
  });

  it('compresses again only the members around a changed file', async () => {
    const before = await rig.layers.blob(addLayer(rig.layers, big()), { type: 'gzip' }, { signal });
    const after = await rig.layers.blob(addLayer(rig.layers, big(1000)), { type: 'gzip' }, { signal });
    const store = openStore(`${rig.folder}/store`);
    const count = (digest: string) => {
      const sql = 'SELECT count(*) AS n FROM layer_members WHERE blob = ? AND states IS NULL';
      return Number(store.database.statement(sql).get(digest)?.n);
    };
    expect(after.descriptor.digest).not.toBe(before.descriptor.digest);
    // Members that both blobs have are registered for the later one.
    expect(count(after.descriptor.digest)).toBeGreaterThan(5);
    expect(count(before.descriptor.digest)).toBeLessThanOrEqual(2);
    store[Symbol.dispose]();
  });
});
