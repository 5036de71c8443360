import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import type { ContentStore } from '../../../cache/content/content-store.ts';
import { openContentStore } from '../../../cache/content/file-content-store.ts';
import { type ImageStore, openImageStore } from '../../../cache/images/image-store.ts';
import { referencedBlobs } from '../../../cache/images/referenced-blobs.ts';
import { openStore, type Store } from '../../../cache/store.ts';
import { digestOf } from '../../../src/core/digest.ts';
import { makeImage, makeIndex } from '../../rig/image.ts';

const amd64 = makeImage();
const arm64 = makeImage({ platform: { os: 'linux', architecture: 'arm64' }, config: { Cmd: ['arm'] } });
let folder: string;
let store: Store;
let images: ImageStore;
let content: ContentStore;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'slipway-images-'));
  store = openStore(folder);
  images = openImageStore(store.database);
  content = openContentStore(store);
});
afterEach(() => {
  store[Symbol.dispose]();
  rmSync(folder, { recursive: true, force: true });
});

test('a reference names the last that was put under it', () => {
  images.put('docker.io/library/a:latest', amd64.manifest, 'pulled');
  images.put('docker.io/library/a:latest', arm64.manifest, 'built');
  expect(images.get('docker.io/library/a:latest')).toMatchObject({ target: arm64.manifest, origin: 'built' });
  expect(images.get('docker.io/library/b:latest')).toBeUndefined();
});

test('references are listed in order and can be removed once', () => {
  images.put('b:1', amd64.manifest, 'built');
  images.put('a:1', amd64.manifest, 'built');
  expect(images.list().map((image) => image.reference)).toEqual(['a:1', 'b:1']);
  expect(images.remove('a:1')).toBe(true);
  expect(images.remove('a:1')).toBe(false);
  expect(images.list().map((image) => image.reference)).toEqual(['b:1']);
});

test('another process sees what was put', () => {
  images.put('a:1', amd64.manifest, 'built');
  using other = openStore(folder);
  expect(openImageStore(other.database).get('a:1')?.target).toEqual(amd64.manifest);
});

test('blobs remember every repository that has them, until prune forgets them', () => {
  const [one, two] = [digestOf('1'), digestOf('2')];
  const here = { domain: 'localhost:5000', path: 'a' };
  const there = { domain: 'docker.io', path: 'library/a' };
  images.addBlobSource([one, two], here);
  images.addBlobSource([one], there);
  images.addBlobSource([one], here);
  expect(images.blobSources(one)).toEqual([there, here]);
  images.forgetBlobSources((digest) => digest === two);
  expect(images.blobSources(one)).toEqual([]);
  expect(images.blobSources(two)).toEqual([here]);
});

test('an image keeps its manifest, config and layers, fetched or not', () => {
  content.put(amd64.manifestBytes);
  images.put('a:1', amd64.manifest, 'pulled');
  const expected = [amd64.manifest, amd64.config, ...amd64.layers].map((descriptor) => descriptor.digest);
  expect([...referencedBlobs(images, content)].sort()).toEqual(expected.sort());
});

test('an index keeps the platforms that are here, and names those that are not', () => {
  const { index, indexBytes } = makeIndex([amd64, arm64]);
  content.put(indexBytes);
  content.put(amd64.manifestBytes);
  images.put('a:1', index, 'pulled');
  const kept = referencedBlobs(images, content);
  expect(kept.has(amd64.config.digest)).toBe(true);
  expect(kept.has(arm64.manifest.digest)).toBe(true);
  expect(kept.has(arm64.config.digest)).toBe(false);
});
