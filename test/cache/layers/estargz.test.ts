import { execFileSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { gunzipSync } from 'node:zlib';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { blobTar } from '../../../cache/layers/blob-tar.ts';
import type { LayerId } from '../../../cache/layers/layer-store.ts';
import type { LayerBlob } from '../../../src/core/descriptor.ts';
import { digestOf } from '../../../src/core/digest.ts';
import { addLayer, type LayerRig, openLayerRig } from '../../rig/layers.ts';
import { archiveOf, item, paxHeader, rawHeader, readArchive, TRAILER } from '../tar/archives.ts';
import { collect, pulledLayer } from './hostile-layers.ts';

let rig: LayerRig;
beforeEach(() => {
  rig = openLayerRig();
});
afterEach(() => rig[Symbol.dispose]());

const { signal } = new AbortController();
const BIG = `${'0123456789abcdef'.repeat(600_000)}tail`;
const FILES = {
  '/bin': { folder: true, mode: 0o751 },
  '/bin/first': { text: 'first\n', mode: 0o4755 },
  '/bin/second': { hardLinkTo: '/bin/first', text: 'first\n', link: '1' },
  '/big': { text: BIG },
  '/empty': { text: '' },
  '/link': { symlink: 'bin/first' },
  '/pipe': { fifo: true },
  '/gone': { removed: true },
  '/\u00e9': { text: 'named in UTF-8' },
} as const;

/** What the table of contents may say of a file: stargz-snapshotter, docs/estargz.md, "TOC, TOCEntries and Footer". */
interface TocEntry {
  readonly name: string;
  readonly type: string;
  readonly size?: number;
  readonly modtime?: string;
  readonly linkName?: string;
  readonly mode?: number;
  readonly offset?: number;
  readonly chunkOffset?: number;
  readonly chunkSize?: number;
  readonly chunkDigest?: string;
  readonly digest?: string;
}

/** Reads a blob as the specification has it, by nothing but zlib: footer, then table, then each file from its own member. */
function readEstargz(blob: Buffer): { tocDigest: string; entries: TocEntry[]; file(name: string): Buffer } {
  const footer = blob.subarray(-51);
  expect(footer.subarray(0, 4)).toEqual(Buffer.from([0x1f, 0x8b, 8, 4]));
  expect([footer.readUInt16LE(10), footer.toString('latin1', 12, 14), footer.readUInt16LE(14)]).toEqual([26, 'SG', 22]);
  expect(footer.toString('latin1', 32, 38)).toBe('STARGZ');
  expect(gunzipSync(footer)).toHaveLength(0);
  const table = gunzipSync(blob.subarray(Number.parseInt(footer.toString('latin1', 16, 32), 16), -51));
  expect(table.toString('latin1', 0, 100).replace(/\0+$/, '')).toBe('stargz.index.json');
  const json = table.subarray(512, 512 + Number.parseInt(table.toString('latin1', 124, 135), 8));
  const { version, entries } = JSON.parse(json.toString('utf8')) as { version: number; entries: TocEntry[] };
  expect(version).toBe(1);
  return {
    tocDigest: digestOf(json),
    entries,
    file: (name) => {
      const first = entries.findIndex((entry) => entry.name === name);
      const size = entries[first]?.size ?? 0;
      const chunks = entries.slice(first).filter((entry, index) => index === 0 || entry.type === 'chunk');
      const own = chunks.filter((entry) => entry.name === name && entry.offset !== undefined);
      return Buffer.concat(own.map((entry) => readChunk(blob, entry, size)));
    },
  };
}

function readChunk(
  blob: Buffer,
  { offset = 0, chunkOffset = 0, chunkSize, chunkDigest }: TocEntry,
  size: number,
): Buffer {
  // All members from here on: the chunk is the start of the first.
  const bytes = gunzipSync(blob.subarray(offset)).subarray(0, chunkSize ?? size - chunkOffset);
  expect(digestOf(bytes)).toBe(chunkDigest);
  return bytes;
}

const blobBytes = ({ descriptor }: LayerBlob) => readFileSync(rig.content.path(descriptor.digest) ?? '');
const estargz = (layer: LayerId, more = {}) => rig.layers.blob(layer, { type: 'estargz', ...more }, { signal });

describe('an eStargz blob', () => {
  it('has a table of contents by which every file is read on its own', async () => {
    const blob = await estargz(addLayer(rig.layers, FILES));
    const toc = readEstargz(blobBytes(blob));
    expect(toc.tocDigest).toBe(blob.descriptor.annotations?.['containerd.io/snapshot/stargz/toc.digest']);
    expect(toc.file('bin/first').toString()).toBe('first\n');
    expect(toc.file('big').toString()).toBe(BIG);
    expect(toc.file('\u00e9').toString()).toBe('named in UTF-8');
    expect(toc.file('.no.prefetch.landmark')).toEqual(Buffer.from([0x0f]));
    const big = toc.entries.filter(({ name }) => name === 'big');
    expect(big.map(({ type, chunkOffset }) => [type, chunkOffset])).toEqual([
      ['reg', undefined],
      ['chunk', 4 * 1024 * 1024],
      ['chunk', 8 * 1024 * 1024],
    ]);
    expect(big[0]?.digest).toBe(digestOf(BIG));
    expect(toc.entries.filter(({ name }) => /^(bin|link|pipe|empty|\.wh)/.test(name))).toMatchObject([
      { name: '.wh.gone', type: 'reg' },
      { name: 'bin/', type: 'dir', mode: 0o751, modtime: '2020-09-13T12:26:40Z' },
      { name: 'bin/first', type: 'reg', size: 6, mode: 0o4755 },
      { name: 'bin/second', type: 'hardlink', linkName: 'bin/first' },
      { name: 'empty', type: 'reg', digest: digestOf('') },
      { name: 'link', type: 'symlink', linkName: 'bin/first' },
      { name: 'pipe', type: 'fifo' },
    ]);
  });

  it('is to any other reader the same archive as gzip makes', async () => {
    const layer = addLayer(rig.layers, FILES);
    const blob = await estargz(layer);
    const plain = await rig.layers.blob(layer, { type: 'gzip', force: true }, { signal });
    const tar = gunzipSync(blobBytes(blob));
    expect(digestOf(tar)).toBe(blob.diffId);
    expect(String(tar.length)).toBe(blob.descriptor.annotations?.['io.containers.estargz.uncompressed-size']);
    expect(readArchive(tar)).toEqual(readArchive(gunzipSync(blobBytes(plain))));
    const file = `${rig.folder}/layer.tgz`;
    writeFileSync(file, blobBytes(blob));
    const list = 'import sys,tarfile; print("\\n".join(m.name for m in tarfile.open(sys.argv[1])))';
    const names = readArchive(tar).map(({ path }) => path.replace(/\/$/, ''));
    const shown = execFileSync('python3', ['-c', list, file], { encoding: 'utf8' });
    expect(Buffer.from(shown.trim()).toString('latin1').split('\n')).toEqual(names);
    execFileSync('gzip', ['-t', file]);
    expect(execFileSync('tar', ['-tzf', file], { encoding: 'utf8' }).split('\n')).toHaveLength(names.length + 1);
  });

  it('is the same in every store, and keeps its annotations', async () => {
    const layer = addLayer(rig.layers, FILES);
    const first = await estargz(layer);
    expect(await estargz(layer)).toMatchObject(first);
    using other = openLayerRig();
    const second = await other.layers.blob(addLayer(other.layers, FILES), { type: 'estargz' }, { signal });
    expect(second).toEqual(first);
  });

  it('is made of a pulled layer whose tar stays as it is, when that is forced', async () => {
    const tar = archiveOf([item({ path: './odd/../name', uid: 7 }, 'x'), item({ path: 'b' }, BIG)], 64 * 1024);
    const layer = pulledLayer(rig, tar);
    const kept = await estargz(layer);
    expect(kept.diffId).toBe(digestOf(tar));
    const blob = await estargz(layer, { force: true });
    const whole = gunzipSync(blobBytes(blob));
    expect(whole.subarray(0, tar.length).equals(tar)).toBe(true);
    expect(readEstargz(blobBytes(blob)).file('b').toString()).toBe(BIG);
    // Taken back, it is the layer that it was.
    const back = await rig.layers.blob(layer, { type: 'zstd', force: true }, { signal });
    expect(digestOf(await collect(blobTar(rig.content.path(back.descriptor.digest) ?? '')))).toBe(digestOf(tar));
  });

  it('cannot hold sparse files, nor files with the name of its table', async () => {
    const header = paxHeader(['GNU.sparse.map=1000,3', 'GNU.sparse.size=1003', 'GNU.sparse.name=f']);
    const sparse = [header, rawHeader({ size: '00000000003\0' }), Buffer.alloc(512), TRAILER];
    for (const tar of [Buffer.concat(sparse), archiveOf([item({ path: './stargz.index.json' }, '{}')])])
      await expect(estargz(pulledLayer(rig, tar), { force: true })).rejects.toMatchObject({
        code: 'SLIPWAY_COMPRESSION_UNSUPPORTED',
      });
  });
});

describe('a level', () => {
  it.each([
    ['gzip', -1, 5],
    ['estargz', -1, 5],
    ['zstd', 0, 3],
  ] as const)('of %s that is %i is the default', async (type, level, same) => {
    const first = await rig.layers.blob(addLayer(rig.layers, FILES), { type, level }, { signal });
    expect(await rig.layers.blob(addLayer(rig.layers, FILES), { type, level: same }, { signal })).toEqual(first);
  });

  it.each([
    ['gzip', [0, 1, 6, 9]],
    ['zstd', [1, 3, 9, 19]],
    ['estargz', [0, 1, 9]],
  ] as const)('of %s makes smaller blobs the higher it is, of the same files', async (type, levels) => {
    const blobs = await Promise.all(
      levels.map((level) => rig.layers.blob(addLayer(rig.layers, FILES), { type, level }, { signal })),
    );
    const sizes = blobs.map(({ descriptor }) => descriptor.size);
    expect([...sizes].sort((a, b) => b - a)).toEqual(sizes);
    if (type !== 'estargz') expect(new Set(blobs.map(({ diffId }) => diffId)).size).toBe(1);
  });
});
