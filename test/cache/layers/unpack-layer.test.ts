import { lstatSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { gzipSync, zstdCompressSync } from 'node:zlib';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { BytePath } from '../../../src/core/byte-path.ts';
import type { DiffID } from '../../../src/core/digest.ts';
import { syscalls } from '../../../src/core/syscalls.ts';
import { addLayer, type LayerRig, openLayerRig } from '../../rig/layers.ts';
import { archiveOf, item, rawHeader, TRAILER } from '../tar/archives.ts';
import { isRealRoot, listing, makeVictim, pulledLayer, unpacked } from './hostile-layers.ts';

const root = isRealRoot();
if (!root) console.warn('SKIPPED: unpacking needs root, or root of a user namespace, and this process is neither');

let rig: LayerRig;
beforeEach(() => {
  rig = openLayerRig();
});
afterEach(() => rig[Symbol.dispose]());

const target = (text: string) => ({ target: text as BytePath });
const dir = (path: string, more = {}) => item({ path, type: 'dir', mode: 0o755, ...more });
const symlink = (path: string, to: string) => item({ path, type: 'symlink', mode: 0o777, ...target(to) });
const hardlink = (path: string, to: string) => item({ path, type: 'hardlink', ...target(to) });
const { signal } = new AbortController();

/** Unpacks an archive of these items alone. */
async function unpack(...items: ReturnType<typeof item>[]): Promise<string> {
  return unpacked(rig, pulledLayer(rig, archiveOf(items)));
}

describe.skipIf(!root)('unpacking', () => {
  it('keeps type, bytes, mode, owner, mtime, links and xattrs', async () => {
    const attributes = { mode: 0o6755, uid: 3, mtime: 7 };
    const folder = await unpack(
      dir('d', { mode: 0o1777, mtime: 5 }),
      item({ path: 'd/f', ...attributes, xattrs: new Map([['user.k', '\xff']]) }, 'bytes'),
      item({ path: 'd/g', ...attributes, type: 'hardlink', ...target('d/f') }),
      symlink('d/s', '/nowhere'),
    );
    const stats = lstatSync(`${folder}/d/f`);
    expect([stats.mode & 0o7777, stats.uid, stats.mtimeMs, stats.nlink]).toEqual([0o6755, 3, 7000, 2]);
    expect([lstatSync(`${folder}/d`).mode & 0o7777, lstatSync(`${folder}/d`).mtimeMs]).toEqual([0o1777, 5000]);
    expect(readFileSync(`${folder}/d/g`, 'utf8')).toBe('bytes');
    expect(listing(folder)).toEqual(['d d', '- d/f', '- d/g', 'l d/s -> /nowhere']);
    expect(
      syscalls()
        .listXattrs(`${folder}/d/f` as BytePath)
        .get('user.k'),
    ).toEqual(Buffer.from([0xff]));
  });

  it.each([
    ['gzip', gzipSync],
    ['gzip in members', (tar: Buffer) => Buffer.concat([gzipSync(tar.subarray(0, 700)), gzipSync(tar.subarray(700))])],
    ['zstd', (tar: Buffer) => zstdCompressSync(tar)],
    [
      'zstd in frames',
      (tar: Buffer) => Buffer.concat([zstdCompressSync(tar.subarray(0, 9)), zstdCompressSync(tar.subarray(9))]),
    ],
    ['nothing', (tar: Buffer) => tar],
  ])('takes layers compressed with %s', async (_name, compress) => {
    const folder = await unpacked(rig, pulledLayer(rig, archiveOf([item({ path: 'a' }, 'text')]), compress));
    expect(readFileSync(`${folder}/a`, 'utf8')).toBe('text');
  });

  it('keeps nothing of a layer with another diffID', async () => {
    const blob = gzipSync(archiveOf([item({ path: 'a' }, 'text')]));
    const descriptor = { mediaType: 'x', digest: rig.content.put(blob), size: blob.length };
    const layer = rig.layers.addBlob(descriptor, `sha256:${'0'.repeat(64)}` as DiffID, { fetch: async () => {} });
    await expect(rig.layers.mount([layer], signal)).rejects.toMatchObject({ code: 'SLIPWAY_LAYER_MISMATCH' });
    expect(readdirSync(`${rig.folder}/store/layers`)).toEqual([]);
  });

  it.each([
    ['gzip', gzipSync],
    ['zstd', (tar: Buffer) => zstdCompressSync(tar)],
  ])('says that %s data is damaged', async (_name, compress) => {
    const damage = (tar: Buffer) => {
      const blob = compress(tar);
      return blob.subarray(0, blob.length - 6);
    };
    const layer = pulledLayer(rig, archiveOf([item({ path: 'a' }, 'text'.repeat(1000))]), damage);
    await expect(rig.layers.mount([layer], signal)).rejects.toMatchObject({ code: 'SLIPWAY_BLOB_CORRUPT' });
  });

  it('takes the last of entries of one name, and merges folders', async () => {
    const folder = await unpack(
      dir('a'),
      item({ path: 'a/kept' }, '1'),
      dir('a', { mode: 0o700 }),
      item({ path: 'f' }, 'first'),
      item({ path: 'f' }, 'second'),
      dir('to-link'),
      item({ path: 'to-link/inside' }),
      symlink('to-link', 'a'),
      symlink('to-dir', 'a'),
      dir('to-dir'),
    );
    expect(listing(folder)).toEqual(['d a', '- a/kept', '- f', 'd to-dir', 'l to-link -> a']);
    expect(readFileSync(`${folder}/f`, 'utf8')).toBe('second');
    expect(lstatSync(`${folder}/a`).mode & 0o7777).toBe(0o700);
  });

  it('keeps names of any bytes apart', async () => {
    const names = ['\xff', '\xc3\xa9', 'e\xcc\x81', 'new\nline', ' ', '\\', 'c:', '-rf'];
    const folder = await unpack(...names.map((path) => item({ path })));
    expect(readdirSync(folder, { encoding: 'latin1' }).sort()).toEqual([...names].sort());
  });

  it('leaves the attributes of the root alone', async () => {
    const folder = await unpack(dir('./', { mode: 0o777 }), dir('/'), item({ path: './a' }));
    expect([listing(folder), lstatSync(folder).mode & 0o7777]).toEqual([['- a'], 0o755]);
  });

  it('writes sparse files as sparse', async () => {
    const map = '1\n1000000\n3\n';
    const archive = Buffer.concat([
      rawHeader({
        flag: 'S',
        magic: 'ustar  \0',
        size: '00000000003\0',
        at: { 386: '00003641100\0', 398: '00000000003\0', 483: '00003641103\0' },
      }),
      Buffer.concat([Buffer.from('abc'), Buffer.alloc(509)]),
      TRAILER,
    ]);
    expect(map).toContain('1000000');
    const folder = await unpacked(rig, pulledLayer(rig, archive));
    const stats = lstatSync(`${folder}/file`);
    expect(stats.size).toBe(1_000_003);
    expect(readFileSync(`${folder}/file`).subarray(1_000_000).toString()).toBe('abc');
    expect(stats.blocks).toBeLessThan(100);
  });
});

describe.skipIf(!root)('unpacking hostile layers', () => {
  it('never leaves the folder, whatever the names are', async () => {
    const victim = makeVictim(rig);
    const folder = await unpack(
      item({ path: '../../escape' }, 'x'),
      item({ path: `${victim}/absolute` }, 'x'),
      item({ path: 'a/../../b/./c' }, 'x'),
      item({ path: '//double' }, 'x'),
    );
    expect(readdirSync(victim)).toEqual([]);
    expect(listing(folder)).toContain('- escape');
    expect(listing(folder)).toContain(`- ${victim.slice(1)}/absolute`);
    expect(listing(folder)).toContain('- b/c');
  });

  it('follows symlinks on the way inside the layer only', async () => {
    const victim = makeVictim(rig);
    const folder = await unpack(
      symlink('abs', victim),
      item({ path: 'abs/file' }, 'x'),
      symlink('up', `${'../'.repeat(30)}${victim.slice(1)}`),
      item({ path: 'up/file2' }, 'x'),
      dir('d'),
      symlink('d/chain', '../up'),
      item({ path: 'd/chain/file3' }, 'x'),
    );
    expect(readdirSync(victim)).toEqual([]);
    expect(listing(`${folder}${victim}`)).toEqual(['- file', '- file2', '- file3']);
  });

  it('does not write through a symlink at the end', async () => {
    const victim = makeVictim(rig);
    writeFileSync(`${victim}/file`, 'untouched');
    const folder = await unpack(
      symlink('link', `${victim}/file`),
      item({ path: 'link', mode: 0o777 }, 'overwritten'),
      symlink('dir', victim),
      dir('dir', { mode: 0o777 }),
      item({ path: 'dir/new' }),
    );
    expect(readFileSync(`${victim}/file`, 'utf8')).toBe('untouched');
    expect(listing(victim)).toEqual(['- file']);
    expect(listing(folder)).toEqual(['d dir', '- dir/new', '- link']);
  });

  it('makes hard links to files of the layer only', async () => {
    const victim = makeVictim(rig);
    writeFileSync(`${victim}/file`, 'secret');
    for (const to of [`${victim}/file`, `${'../'.repeat(30)}${victim.slice(1)}/file`, 'link/file', 'missing', 'd'])
      await expect(unpack(symlink('link', victim), dir('d'), hardlink('stolen', to)), to).rejects.toMatchObject({
        code: 'SLIPWAY_LAYER_INVALID',
      });
  });

  it('gives a file the attributes that the last of its hard links has, and keeps its xattrs', async () => {
    const late = { uid: 7, gid: 8, mtime: 3 };
    const folder = await unpack(
      item({ path: 'f', mode: 0o600, mtime: 1, xattrs: new Map([['user.a', '1']]) }, 'bytes'),
      item({ path: 's', type: 'symlink', mode: 0o777, mtime: 1, ...target('f') }),
      item({ path: 'g', type: 'hardlink', mode: 0o4711, xattrs: new Map([['user.b', '2']]), ...target('f'), ...late }),
      item({ path: 't', type: 'hardlink', mode: 0o600, ...target('s'), ...late }),
    );
    const attributes = (name: string) => {
      const { mode, uid, gid, mtimeMs } = lstatSync(`${folder}/${name}`);
      return [(mode & 0o7777).toString(8), uid, gid, mtimeMs];
    };
    expect(attributes('f')).toEqual(['4711', 7, 8, 3000]);
    expect(attributes('s')).toEqual(['777', 7, 8, 3000]);
    const xattrs = syscalls().listXattrs(`${folder}/f` as BytePath);
    expect([...xattrs.keys()].sort()).toEqual(['user.a', 'user.b']);
  });

  it('refuses a hard link that replaces the folder that its target is in', async () => {
    const items = [dir('d'), item({ path: 'd/f' }), hardlink('d', 'd/f')];
    await expect(unpack(...items)).rejects.toMatchObject({ code: 'SLIPWAY_LAYER_INVALID' });
  });

  it('links to a symlink itself, not to where it leads', async () => {
    const victim = makeVictim(rig);
    writeFileSync(`${victim}/file`, 'secret');
    const folder = await unpack(symlink('link', `${victim}/file`), hardlink('second', 'link'));
    expect(listing(folder)).toEqual([`l link -> ${victim}/file`, `l second -> ${victim}/file`]);
    expect(lstatSync(`${victim}/file`).nlink).toBe(1);
  });

  it('refuses what lies below a file, loops of symlinks, and whiteouts of no name', async () => {
    const cases = [
      [item({ path: 'f' }), item({ path: 'f/below' })],
      [symlink('a', 'b'), symlink('b', 'a'), item({ path: 'a/x' })],
      [item({ path: '.wh.' })],
      [item({ path: 'd/.wh..' })],
      [item({ path: 'd/.wh...' })],
      [item({ path: '.' })],
    ];
    for (const items of cases) await expect(unpack(...items)).rejects.toMatchObject({ code: 'SLIPWAY_LAYER_INVALID' });
  });

  it('refuses paths that are too deep or too long', async () => {
    for (const path of ['a/'.repeat(100_000), 'n'.repeat(256), `${'d'.repeat(200)}/`.repeat(21)])
      await expect(unpack(item({ path: `${path}x` }))).rejects.toMatchObject({ code: 'SLIPWAY_LAYER_PATH_TOO_LONG' });
  });

  it('refuses a symlink that makes a path too long', async () => {
    const long = `${'d'.repeat(200)}/`.repeat(18);
    await expect(unpack(symlink('s', long), item({ path: `s/${long}x` }))).rejects.toMatchObject({
      code: 'SLIPWAY_LAYER_PATH_TOO_LONG',
    });
  });

  it("drops overlayfs's own attributes and our own", async () => {
    const forged = [
      'trusted.overlay.opaque',
      'user.overlay.redirect',
      'user.overlay.opaque',
      'user.slipway.device',
      'security.selinux',
    ];
    const folder = await unpack(dir('d', { xattrs: new Map(forged.map((name) => [name, 'y'])) }));
    const found = [
      ...syscalls()
        .listXattrs(`${folder}/d` as BytePath)
        .keys(),
    ];
    expect(found.filter((name) => forged.includes(name))).toEqual([]);
  });
});

describe.skipIf(!root)('unpacking whiteouts', () => {
  const isOpaque = (path: string) =>
    syscalls()
      .listXattrs(path as BytePath)
      .get(`${rig.layers.overlayXattrPrefix()}opaque`)
      ?.toString() === 'y';

  it('makes whiteouts and opaque folders as overlayfs has them', async () => {
    const folder = await unpack(
      item({ path: '.wh.gone' }),
      dir('d'),
      item({ path: 'd/.wh..wh..opq' }),
      item({ path: 'e/.wh.x' }),
      item({ path: '.wh..wh.plnk' }),
    );
    expect(listing(folder)).toEqual(['d d', 'd e', 'c e/x', 'c gone']);
    expect([isOpaque(`${folder}/d`), isOpaque(`${folder}/e`)]).toEqual([true, false]);
  });

  it('applies a whiteout to the layers below, never to its own layer, in any order', async () => {
    const folder = await unpack(
      item({ path: 'before' }, '1'),
      item({ path: '.wh.before' }),
      item({ path: '.wh.after' }),
      item({ path: 'after' }, '2'),
      dir('dir-before'),
      item({ path: 'dir-before/x' }),
      item({ path: '.wh.dir-before' }),
      item({ path: '.wh.dir-after' }),
      item({ path: 'dir-after/x' }),
    );
    expect(listing(folder)).toEqual([
      '- after',
      '- before',
      'd dir-after',
      '- dir-after/x',
      'd dir-before',
      '- dir-before/x',
    ]);
    expect([isOpaque(`${folder}/dir-before`), isOpaque(`${folder}/dir-after`)]).toEqual([true, true]);
  });

  it('hides all layers below an opaque root', async () => {
    const lower = addLayer(rig.layers, { '/old': { text: 'x' } });
    const upper = pulledLayer(rig, archiveOf([item({ path: '.wh..wh..opq' }), item({ path: 'new' })]));
    using mounted = await rig.layers.mount([lower, upper], signal);
    expect(mounted.lowerDirs).toHaveLength(1);
    using view = await rig.layers.view([lower, upper], signal);
    expect(view.readdir('/' as BytePath)).toEqual(['new']);
  });

  it('does not remove what a symlink leads to', async () => {
    const victim = makeVictim(rig);
    writeFileSync(`${victim}/file`, 'x');
    await unpack(symlink('link', victim), item({ path: 'link/.wh.file' }), item({ path: 'link/.wh..wh..opq' }));
    expect(readdirSync(victim)).toEqual(['file']);
  });

  it('makes devices', async () => {
    const folder = await unpack(
      item({ path: 'null', type: 'char', device: { major: 1, minor: 3 } }),
      item({ path: 'p', type: 'fifo' }),
    );
    // In a user namespace an empty file stands for the device.
    const isRootless = rig.layers.overlayXattrPrefix() === 'user.overlay.';
    expect(listing(folder)).toEqual([isRootless ? '- null' : 'c null', 'p p']);
    if (!isRootless) expect(lstatSync(`${folder}/null`).rdev).toBe(0x103);
  });
});

describe.skipIf(!root)('a layer that leans on the layers below it', () => {
  it('gives folders that it does not name the attributes that they have below', async () => {
    const leaning = pulledLayer(rig, archiveOf([item({ path: 'd/new' }, 'x')]));
    const one = addLayer(rig.layers, { '/d': { folder: true, mode: 0o711 } });
    const other = addLayer(rig.layers, { '/d': { folder: true, mode: 0o700 } });
    const modes: number[] = [];
    for (const stack of [[one, leaning], [other, leaning], [leaning]])
      modes.push(lstatSync(`${await unpacked(rig, ...stack)}/d`).mode & 0o7777);
    expect(modes).toEqual([0o711, 0o700, 0o755]);
  });

  it('copies a file below that it has a hard link to', async () => {
    const second = item({ path: 'second', type: 'hardlink', mode: 0o640, uid: 5, ...target('first') });
    const leaning = pulledLayer(rig, archiveOf([second]));
    const lower = addLayer(rig.layers, { '/first': { text: 'bytes', mode: 0o600 } });
    const folder = await unpacked(rig, lower, leaning);
    expect(readFileSync(`${folder}/second`, 'utf8')).toBe('bytes');
    expect([lstatSync(`${folder}/second`).mode & 0o7777, lstatSync(`${folder}/second`).uid]).toEqual([0o640, 5]);
    await expect(unpacked(rig, leaning)).rejects.toMatchObject({ code: 'SLIPWAY_LAYER_INVALID' });
  });
});
