import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, readdirSync, readFileSync, rmSync, statSync, utimesSync, writeFileSync } from 'node:fs';
import { gunzipSync, gzipSync } from 'node:zlib';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Compression, LayerId, TreeEntry } from '../../../cache/layers/layer-store.ts';
import { openStore } from '../../../cache/store.ts';
import { type BytePath, toBytePath } from '../../../src/core/byte-path.ts';
import { digestOf, hexOf } from '../../../src/core/digest.ts';
import { type LayerRig, openLayerRig } from '../../rig/layers.ts';

let rig: LayerRig;
beforeEach(() => {
  rig = openLayerRig();
});
afterEach(() => rig[Symbol.dispose]());

const { signal } = new AbortController();
const GZIP: Compression = { type: 'gzip' };
const MTIME = 1_600_000_000;

/** Text that compresses about as source code does, and is another one for every seed. */
function text(seed: number, length: number): string {
  let state = seed + 1;
  let made = '';
  while (made.length < length) {
    state = (Math.imul(state, 1103515245) + 12345) & 0x7fffffff;
    made += `${((state >> 8) % 4000).toString(36)} `;
  }
  return made.slice(0, length);
}

/** Files on this machine that have been digested, as a COPY of a build context has them. */
function digestedFiles(files: Readonly<Record<string, string | Buffer>>): TreeEntry[] {
  return Object.entries(files).map(([name, bytes]) => {
    const host = toBytePath(`${rig.folder}/${name}`);
    writeFileSync(host, bytes);
    utimesSync(host, MTIME, MTIME);
    const { size, mtimeMs, ino, dev } = statSync(host);
    const major = Math.floor(dev / 2 ** 8) % 2 ** 12;
    const minor = (dev % 2 ** 8) + (Math.floor(dev / 2 ** 20) % 2 ** 12) * 2 ** 8;
    const inode = { ino, dev: major * 2 ** 20 + minor, digest: hexOf(digestOf(Buffer.from(bytes))) };
    const file = { type: 'file', mode: 0o644, uid: 0, gid: 0, size, mtime: MTIME } as const;
    const content = { kind: 'host', path: host, mtimeMs, inode } as const;
    return { path: `/${name}` as BytePath, change: { kind: 'present', file, content } };
  });
}

const FILES = Object.fromEntries(
  Array.from({ length: 3000 }, (_, index) => [`f${String(index).padStart(4, '0')}`, text(index, 3000)]),
);

async function blobOf(entries: readonly TreeEntry[], compression = GZIP) {
  const { descriptor, diffId } = await rig.layers.blob(rig.layers.addTree(entries), compression, { signal });
  return { digest: descriptor.digest, diffId, path: rig.content.path(descriptor.digest) ?? '' };
}

describe('a layer of digested files', () => {
  it.each<Compression>([GZIP, { type: 'zstd' }])('is made again without reading them (%o)', async (compression) => {
    const entries = digestedFiles(FILES);
    const { digest, diffId } = await blobOf(entries, compression);
    for (const name of Object.keys(FILES)) rmSync(`${rig.folder}/${name}`);
    expect(await blobOf(entries, compression)).toMatchObject({ digest, diffId });
  });

  it('has only the files around a changed one read', async () => {
    const files = Object.fromEntries(Object.keys(FILES).map((name, index) => [name, text(index, 11_000)]));
    const entries = digestedFiles(files);
    await blobOf(entries);
    const changed = [...entries, ...digestedFiles({ f1500x: text(1, 2000) })];
    const unread = Object.keys(FILES).filter((name) => !name.startsWith('f1'));
    for (const name of unread) rmSync(`${rig.folder}/${name}`);
    const { diffId, path } = await blobOf(changed);
    expect(digestOf(gunzipSync(readFileSync(path)))).toBe(diffId);
    rmSync(`${rig.folder}/f1500`);
    const [one, other] = [GZIP, { type: 'gzip', level: 1, force: true }] as const;
    await expect(blobOf(changed, one)).resolves.toMatchObject({ diffId });
    await expect(blobOf(changed, other)).rejects.toMatchObject({ code: 'SLIPWAY_CONTEXT_CHANGED' });
  });

  it('is other bytes where anything that an entry records is another', async () => {
    const entries = digestedFiles({ a: 'text' });
    const first = await blobOf(entries);
    const others = [{ mode: 0o600 }, { uid: 1 }, { gid: 1 }, { mtime: 1 }, { xattrs: new Map([['user.a', 'b']]) }];
    const digests = [first.digest];
    for (const other of others) {
      const changed = entries.map(({ path, change }) => ({
        path,
        change: change.kind === 'present' ? { ...change, file: { ...change.file, ...other } } : change,
      }));
      digests.push((await blobOf(changed)).digest);
    }
    expect(new Set(digests).size).toBe(others.length + 1);
  });

  it('is an error where a file has other bytes than were digested, although it looks the same', async () => {
    const entries = digestedFiles(FILES);
    writeFileSync(`${rig.folder}/f0007`, text(8, 3000));
    utimesSync(`${rig.folder}/f0007`, MTIME, MTIME);
    const changed = { code: 'SLIPWAY_CONTEXT_CHANGED', message: expect.stringContaining('/f0007 ') };
    for (const _time of [1, 2]) await expect(blobOf(entries)).rejects.toMatchObject(changed);
    const blobs = `${rig.folder}/store/blobs/sha256`;
    expect(existsSync(blobs) ? readdirSync(blobs) : []).toEqual([]);
  });

  it('is made of the files again where the blob of its members was damaged', async () => {
    const entries = digestedFiles(FILES);
    const { digest, diffId, path } = await blobOf(entries);
    const damaged = readFileSync(path);
    damaged.fill(0, 1000, 1010);
    writeFileSync(path, damaged);
    const again = await blobOf(entries);
    expect(again).toMatchObject({ digest, diffId });
    expect(digestOf(readFileSync(again.path))).toBe(digest);
  });

  it('has the same digest from every store, whatever that has seen', async () => {
    const entries = digestedFiles(FILES);
    const undigested = entries.map(({ path, change }): TreeEntry => {
      if (change.kind !== 'present' || change.content?.kind !== 'host') throw new Error('not a file of the host');
      const { inode: _inode, ...content } = change.content;
      return { path, change: { ...change, content } };
    });
    await blobOf(entries.slice(0, 1000));
    const reused = await blobOf(entries);
    using other = openLayerRig();
    for (const made of [entries, undigested]) {
      const { descriptor, diffId } = await other.layers.blob(other.layers.addTree(made), GZIP, { signal });
      expect([descriptor.digest, diffId]).toEqual([reused.digest, reused.diffId]);
    }
  });
});

describe('large files that share bytes', () => {
  const random = (seed: number, length: number) => {
    const blocks = Array.from({ length: Math.ceil(length / 64) }, (_, at) =>
      createHash('sha512').update(`${seed} ${at}`).digest(),
    );
    return Buffer.concat(blocks).subarray(0, length);
  };
  const shared = Buffer.concat([Buffer.from(text(1, 150_000)), random(1, 70_000)]);
  const files = Object.fromEntries(
    Array.from({ length: 40 }, (_, index) => [`f${index}`, Buffer.concat([shared, Buffer.from(text(index, 1000))])]),
  );

  const compressedBytes = (digest: string) => {
    using store = openStore(`${rig.folder}/store`);
    const row = store.database.statement('SELECT sum(tar_size) AS bytes FROM layer_members WHERE blob = ?').get(digest);
    return Number(row?.bytes);
  };

  it('have what they share compressed once, and are read by any gzip', async () => {
    const { digest, diffId, path } = await blobOf(digestedFiles(files));
    const tar = gunzipSync(readFileSync(path));
    expect(digestOf(tar)).toBe(diffId);
    for (const [name, bytes] of Object.entries(files)) {
      const start = tar.indexOf(`${name}\0`) + 512;
      expect(tar.subarray(start, start + bytes.length).equals(bytes)).toBe(true);
    }
    expect(statSync(path).size).toBeLessThan(gzipSync(tar, { level: 6 }).length * 1.03);
    expect(compressedBytes(digest)).toBeLessThan(tar.length / 4);
    if (execFileSync('sh', ['-c', 'command -v gzip || true']).length === 0) return;
    expect(execFileSync('gzip', ['-dc'], { input: readFileSync(path), maxBuffer: 1 << 28 }).equals(tar)).toBe(true);
  });

  it('give the same blob from every store and in every compression the same tar', async () => {
    const entries = digestedFiles(files);
    const { digest, diffId } = await blobOf(entries);
    using other = openLayerRig();
    const layer: LayerId = other.layers.addTree(entries);
    const zstd = await other.layers.blob(layer, { type: 'zstd' }, { signal });
    const gzip = await other.layers.blob(layer, { ...GZIP, force: true }, { signal });
    const again = await other.layers.blob(other.layers.addTree(entries), GZIP, { signal });
    expect([zstd.diffId, gzip.diffId, again.diffId]).toEqual([diffId, diffId, diffId]);
    expect(again.descriptor.digest).toBe(digest);
  });
});

describe('a blob', () => {
  it('is the same however many threads compress', () => {
    const script = `
      import { openLayerRig } from '${import.meta.dirname}/../../rig/layers.ts';
      using rig = openLayerRig();
      const files = Array.from({ length: 1000 }, (_, index) => {
        const bytes = Buffer.from(Array.from({ length: 900 }, (_word, at) => Math.imul(index * 977 + at, 0x9e3779b1).toString(36)).join(' '));
        const file = { type: 'file', mode: 0o644, uid: 0, gid: 0, size: bytes.length, mtime: 1 };
        return { path: '/f' + index, change: { kind: 'present', file, content: { kind: 'bytes', bytes } } };
      });
      const { signal } = new AbortController();
      const blob = await rig.layers.blob(rig.layers.addTree(files), { type: 'gzip' }, { signal });
      console.log(blob.descriptor.digest, blob.diffId);`;
    const outputs = [1, 2, 8].map((threads) =>
      execFileSync(process.execPath, ['--input-type=module-typescript', '-e', script], {
        encoding: 'utf8',
        env: { ...process.env, UV_THREADPOOL_SIZE: String(threads) },
      }),
    );
    expect(outputs[0]).toMatch(/^sha256:\S+ sha256:/);
    expect(new Set(outputs).size).toBe(1);
  });

  it('of words in no order is smaller than one gzip stream, and of a level that was asked for as that level makes it', async () => {
    const entries = digestedFiles(FILES);
    const [usual, six] = [await blobOf(entries), await blobOf(entries, { type: 'gzip', level: 6 })];
    const stream = gzipSync(gunzipSync(readFileSync(usual.path)), { level: 6 }).length;
    expect(statSync(usual.path).size).toBeLessThan(stream);
    expect(statSync(six.path).size).toBeGreaterThan(stream);
    expect(six.diffId).toBe(usual.diffId);
  });

  it('of real files is no more than 3 % larger than one gzip stream of the same tar', async () => {
    const sources = `${import.meta.dirname}/../../../node_modules`;
    for (const folder of ['vitest/dist', 'commander', '@types/node']) {
      const found = readdirSync(`${sources}/${folder}`, { recursive: true, withFileTypes: true });
      const files = found.filter((file) => file.isFile());
      const bytes = files.map((file, index) => [`${index}`, readFileSync(`${file.parentPath}/${file.name}`)]);
      const { path } = await blobOf(digestedFiles(Object.fromEntries(bytes)));
      const tar = gunzipSync(readFileSync(path));
      expect(statSync(path).size / gzipSync(tar, { level: 6 }).length).toBeLessThan(1.03);
    }
  });
});
