import { readFileSync, truncateSync, writeFileSync } from 'node:fs';
import { gunzipSync } from 'node:zlib';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { Compression, TreeEntry } from '../../../cache/layers/layer-store.ts';
import { forget } from '../../../cache/prune/forget.ts';
import { openStore, type Store } from '../../../cache/store.ts';
import { toBytePath } from '../../../src/core/byte-path.ts';
import { digestOf } from '../../../src/core/digest.ts';
import type { ResumableDigest } from '../../../src/core/resumable-digest.ts';
import { type LayerRig, openLayerRig } from '../../rig/layers.ts';

/** Bytes that were hashed for blobs and their tars, and whether digests can be resumed. */
const hashing = vi.hoisted(() => ({ bytes: 0, isResumable: true }));

vi.mock('../../../src/core/resumable-digest.ts', async (original) => {
  const real = await original<typeof import('../../../src/core/resumable-digest.ts')>();
  const counted = (digest: ResumableDigest): ResumableDigest => ({
    ...digest,
    state: () => (hashing.isResumable ? digest.state() : undefined),
    update(bytes) {
      hashing.bytes += bytes.length;
      digest.update(bytes);
    },
    updateInBackground(bytes) {
      hashing.bytes += bytes.length;
      return digest.updateInBackground(bytes);
    },
  });
  return {
    startResumableDigest: () => counted(real.startResumableDigest()),
    digestStateForm: () => (hashing.isResumable ? real.digestStateForm() : undefined),
  };
});

let rig: LayerRig;
let store: Store;
beforeEach(() => {
  rig = openLayerRig();
  store = openStore(`${rig.folder}/store`);
  hashing.isResumable = true;
});
afterEach(() => {
  store[Symbol.dispose]();
  rig[Symbol.dispose]();
});

const { signal } = new AbortController();
const FILE_BYTES = 40_000;
/** Some seven members. */
const FILES: ReadonlyMap<string, string> = new Map(
  Array.from({ length: 500 }, (_, index) => [`f${String(index).padStart(4, '0')}`, `text ${index} `]),
);

/** A layer of files that are known by their digests; each repeats a word. */
function entriesOf(files: ReadonlyMap<string, string>, mode = 0o644): TreeEntry[] {
  return [...files]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, word]) => {
      const bytes = Buffer.alloc(FILE_BYTES, word);
      const file = { type: 'file', mode, uid: 0, gid: 0, size: bytes.length, mtime: 1_600_000_000 } as const;
      return { path: toBytePath(`/${name}`), change: { kind: 'present', file, content: { kind: 'bytes', bytes } } };
    });
}

async function blobOf(files: ReadonlyMap<string, string>, compression: Compression = { type: 'gzip' }, on = rig) {
  hashing.bytes = 0;
  const layer = on.layers.addTree(entriesOf(files));
  const { descriptor, diffId } = await on.layers.blob(layer, compression, { signal });
  const path = on.content.path(descriptor.digest) ?? '';
  return { layer, descriptor, diffId, path, hashed: hashing.bytes };
}

const changed = (files: ReadonlyMap<string, string>, name: string, word: string) => new Map([...files, [name, word]]);
const without = (files: ReadonlyMap<string, string>, gone: string) =>
  new Map([...files].filter(([name]) => name !== gone));

/** One change after the other, at the begin, in the middle and at the end. */
const CHANGES: Readonly<Record<string, (files: ReadonlyMap<string, string>) => ReadonlyMap<string, string>>> = {
  nothing: (files) => files,
  'the last file changed': (files) => changed(files, 'f0499', 'other '),
  'one in the middle changed': (files) => changed(files, 'f0250', 'other '),
  'the first changed': (files) => changed(files, 'f0000', 'other '),
  'one added at the end': (files) => changed(files, 'z', 'new '),
  'one added in the middle': (files) => changed(files, 'f0300x', 'new '),
  'one added at the begin': (files) => changed(files, 'a', 'new '),
  'one renamed': (files) => changed(without(files, 'f0400'), 'f0401x', 'text 400 '),
  'the last removed': (files) => without(files, 'z'),
  'one in the middle removed': (files) => without(files, 'f0200'),
  'the first removed': (files) => without(files, 'a'),
  'one in the middle as it was': (files) => changed(files, 'f0250', 'text 250 '),
};

describe('a blob that begins with the members of an earlier one', () => {
  it.each<Compression>([
    { type: 'gzip' },
    { type: 'gzip', level: 1 },
    { type: 'zstd' },
    { type: 'estargz' },
    { type: 'uncompressed' },
  ])('is the blob that a fresh store makes, however many builds went before (%o)', async (compression) => {
    let files = FILES;
    await blobOf(files, compression);
    for (const [what, change] of Object.entries(CHANGES)) {
      files = change(files);
      const made = await blobOf(files, compression);
      using fresh = openLayerRig();
      const { descriptor, diffId } = await blobOf(files, compression, fresh);
      expect([what, made.descriptor, made.diffId]).toEqual([what, descriptor, diffId]);
      expect(digestOf(readFileSync(made.path))).toBe(descriptor.digest);
    }
  });

  it('is hashed from the first other member on', async () => {
    const first = await blobOf(FILES);
    const tarBytes = gunzipSync(readFileSync(first.path)).length;
    expect(first.hashed).toBe(tarBytes + first.descriptor.size);
    expect((await blobOf(FILES)).hashed).toBeLessThan(10_000);
    expect((await blobOf(changed(FILES, 'f0499', 'other '))).hashed).toBeLessThan(0.3 * tarBytes);
    const middle = await blobOf(changed(FILES, 'f0250', 'other '));
    expect(middle.hashed).toBeGreaterThan(0.3 * tarBytes);
    expect(middle.hashed).toBeLessThan(0.8 * tarBytes);
    expect((await blobOf(changed(FILES, 'f0000', 'other '))).hashed).toBeGreaterThan(0.9 * tarBytes);
  });

  it('begins as the one of two branches that it goes on with', async () => {
    const one = changed(FILES, 'f0100', 'one ');
    const other = changed(FILES, 'f0100', 'other ');
    for (const branch of [one, other]) await blobOf(branch);
    for (const branch of [one, other]) {
      const { hashed, descriptor } = await blobOf(changed(branch, 'f0499', 'more '));
      expect(hashed).toBeLessThan(0.3 * FILES.size * FILE_BYTES);
      using fresh = openLayerRig();
      expect((await blobOf(changed(branch, 'f0499', 'more '), { type: 'gzip' }, fresh)).descriptor).toEqual(descriptor);
    }
  });

  it('is made anew where the earlier one was removed, of which nothing is left in the database', async () => {
    const rows = () => store.database.statement('SELECT count(*) AS count FROM layer_members').get()?.count;
    const remove = (layer: string) => {
      const { blobs } = forget(store.database, new Set([layer]), { blobs: [], kept: new Set() });
      for (const blob of blobs) rig.content.delete(blob);
    };
    const first = await blobOf(FILES);
    const second = await blobOf(changed(FILES, 'f0499', 'other '));
    remove(first.layer);
    // All that it shared with the second is found there.
    const third = await blobOf(changed(FILES, 'f0499', 'third '));
    expect(third.hashed).toBeLessThan(0.3 * FILES.size * FILE_BYTES);
    for (const { layer } of [second, third]) remove(layer);
    expect(rows()).toBe(0);
    const again = await blobOf(FILES);
    expect(again).toMatchObject({ descriptor: first.descriptor, diffId: first.diffId, hashed: first.hashed });
  });

  it.each([
    ['damaged', (path: string) => writeFileSync(path, 'other', { flag: 'r+' })],
    ['cut short', (path: string) => truncateSync(path, 100_000)],
  ])('does not take over what is %s in the earlier one', async (_how, damage) => {
    const { path } = await blobOf(FILES);
    damage(path);
    const files = changed(FILES, 'f0499', 'other ');
    const made = await blobOf(files);
    using fresh = openLayerRig();
    const { descriptor, diffId } = await blobOf(files, { type: 'gzip' }, fresh);
    expect(made).toMatchObject({ descriptor, diffId });
    expect(digestOf(readFileSync(made.path))).toBe(descriptor.digest);
  });

  it('is hashed as a whole where what digests had come to was damaged in the database', async () => {
    const first = await blobOf(FILES);
    const rows = store.database.statement('SELECT key, states FROM layer_members WHERE states IS NOT NULL').all();
    expect(rows.length).toBeGreaterThan(4);
    for (const { key, states } of rows) {
      const damaged = Buffer.from(states as Uint8Array);
      damaged[108] = 0xff;
      store.database.statement('UPDATE layer_members SET states = ? WHERE key = ?').run(damaged, key as Uint8Array);
    }
    const again = await blobOf(FILES);
    expect(again).toMatchObject({ descriptor: first.descriptor, diffId: first.diffId, hashed: first.hashed });
  });

  it('is hashed as a whole where Node does not give out what digests have come to', async () => {
    const first = await blobOf(FILES);
    hashing.isResumable = false;
    const again = await blobOf(FILES);
    expect(again).toMatchObject({ descriptor: first.descriptor, diffId: first.diffId });
    expect(again.hashed).toBe(first.hashed);
  });
});
