import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { digestOf, hexOf } from '../../src/core/digest.ts';
import { validateImage } from '../../src/image/validate.ts';
import { type Exported, openExportRig, resultOf } from '../export/export-rig.ts';

let rig: Exported;
let layout: string;

beforeEach(async () => {
  rig = openExportRig();
  layout = join(rig.folder, 'layout');
  const spec = { type: 'oci', dest: 'layout', attributes: { tar: 'false' } } as const;
  await rig.run(spec, [resultOf(rig, [{ '/a': { text: 'a' } }])]);
});
afterEach(() => rig[Symbol.dispose]());

type Json = Record<string, unknown> & { digest: string; size: number };
const read = (digest: string): Json => JSON.parse(readFileSync(blob(digest), 'utf8'));
const blob = (digest: string) => join(layout, 'blobs/sha256', hexOf(digest as never));
const index = (): { manifests: Json[] } => JSON.parse(readFileSync(join(layout, 'index.json'), 'utf8'));

/** Stores a changed document and returns what a descriptor says of it. */
function store(document: unknown): { digest: string; size: number } {
  const bytes = Buffer.isBuffer(document) ? document : Buffer.from(JSON.stringify(document));
  const digest = digestOf(bytes);
  writeFileSync(blob(digest), bytes);
  return { digest, size: bytes.length };
}

/** Changes config and manifest, with correct digests all the way up. */
function change(edit: {
  config?: (config: Json) => void;
  manifest?: (manifest: Json & { config: Json; layers: Json[] }) => void;
}) {
  const root = index();
  const [entry] = root.manifests;
  if (entry === undefined) throw new Error('no manifest');
  const manifest = read(entry.digest) as Json & { config: Json; layers: Json[] };
  const config = read(manifest.config.digest);
  rmSync(blob(entry.digest));
  rmSync(blob(manifest.config.digest));
  edit.config?.(config);
  Object.assign(manifest.config, store(config));
  edit.manifest?.(manifest);
  Object.assign(entry, store(manifest));
  writeFileSync(join(layout, 'index.json'), JSON.stringify(root));
}

/** Replaces the only layer by these bytes, correct in every digest. */
function changeLayer(tar: Buffer) {
  change({
    config: (config) => {
      config.rootfs = { type: 'layers', diff_ids: [digestOf(tar)] };
    },
    manifest: ({ layers }) => {
      if (layers[0] === undefined) return;
      rmSync(blob(layers[0].digest));
      Object.assign(layers[0], store(gzipSync(tar)));
    },
  });
}

describe('validateImage', () => {
  it('finds nothing in a valid layout', async () => {
    expect(await validateImage(layout)).toEqual([]);
  });

  it.each<[string, () => void, RegExp]>([
    ['a missing oci-layout', () => rmSync(join(layout, 'oci-layout')), /imageLayoutVersion/],
    ['a missing index', () => rmSync(join(layout, 'index.json')), /index.json is not there/],
    ['a blob of other bytes', () => writeFileSync(blob(index().manifests[0]?.digest ?? ''), '{}'), /digest|bytes/],
    ['a blob that nothing names', () => void store('stray'), /belongs to no image/],
    [
      'a wrong diffID',
      () => change({ config: (config) => (config.rootfs = { type: 'layers', diff_ids: ['sha256:0'] }) }),
      /diff_ids/,
    ],
    [
      'history of too few layers',
      () => change({ config: (config) => (config.history = []) }),
      /speaks of 0 layers, there are 1/,
    ],
    [
      'a config without an architecture',
      () => change({ config: (config) => delete config.architecture }),
      /has no architecture/,
    ],
    ['a time that is none', () => change({ config: (config) => (config.created = 'yesterday') }), /RFC 3339/],
    [
      'an environment entry without a value',
      () => change({ config: (config) => (config.config = { Env: ['PATH'] }) }),
      /Env holds/,
    ],
    [
      'a docker media type in an OCI manifest',
      () =>
        change({
          manifest: ({ layers }) =>
            Object.assign(layers[0] ?? {}, { mediaType: 'application/vnd.docker.image.rootfs.diff.tar.gzip' }),
        }),
      /media type/,
    ],
    [
      'a wrong size',
      () => change({ manifest: ({ layers }) => Object.assign(layers[0] ?? {}, { size: 1 }) }),
      /its descriptor says 1/,
    ],
    ['a layer that leads outside', () => changeLayer(oneFileTar('../a')), /leads outside/],
    [
      'a layer with an entry twice',
      () => changeLayer(Buffer.concat([oneFileTar('a').subarray(0, 512), oneFileTar('a')])),
      /is there twice/,
    ],
    ['a whiteout of nothing', () => changeLayer(oneFileTar('.wh.')), /whiteout of no name/],
    ['a hard link to nothing', () => changeLayer(oneFileTar('a', '1')), /does not stand before it/],
    ['a layer that is cut off', () => changeLayer(oneFileTar('a').subarray(0, 300)), /cut off/],
  ])('finds %s', async (_name, damage, problem) => {
    mkdirSync(join(layout, 'blobs/sha256'), { recursive: true });
    damage();
    expect((await validateImage(layout)).join('\n')).toMatch(problem);
  });
});

/** A tar of one empty file, or of a hard link to `nowhere`. */
function oneFileTar(name: string, type = '0'): Buffer {
  const header = Buffer.alloc(512);
  header.write(name);
  header.write('0000644\0', 100);
  header.write('0000000\0', 108);
  header.write('0000000\0', 116);
  header.write('00000000000\0', 124);
  header.write('00000000000\0', 136);
  header.write(type, 156);
  if (type === '1') header.write('nowhere', 157);
  header.write('ustar\u000000', 257);
  header.fill(' ', 148, 156);
  const sum = header.reduce((total, byte) => total + byte, 0);
  header.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148);
  return Buffer.concat([header, Buffer.alloc(1024)]);
}
