import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, symlinkSync, truncateSync, unlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { type Descriptor, MEDIA } from '../../src/core/descriptor.ts';
import { hexOf } from '../../src/core/digest.ts';
import { parsePlatform } from '../../src/core/platform.ts';
import { findInLayout, parseOciLayoutReference, readFromLayout, streamFromLayout } from '../../src/image/oci-layout.ts';
import { makeImage, makeIndex, writeLayout } from '../rig/image.ts';
import { openPullRig } from '../rig/pull-rig.ts';

const one = makeImage({ config: { Env: ['N=1'] } });
const two = makeImage({ config: { Env: ['N=2'] }, platform: { os: 'linux', architecture: 'arm64' } });
const HEX = 'a'.repeat(64);
const named = (descriptor: Descriptor, name: string): Descriptor => ({
  ...descriptor,
  annotations: { 'org.opencontainers.image.ref.name': name },
});
let folder: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'slipway-layout-'));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const blobFile = ({ digest }: Descriptor) => `${folder}/blobs/sha256/${hexOf(digest)}`;

test.each([
  ['oci-layout:///a/b', { path: '/a/b' }],
  ['oci-layout://a', { path: '/cwd/a' }],
  ['oci-layout://../a', { path: '/a' }],
  ['oci-layout:///a/b:v1.0', { path: '/a/b', tag: 'v1.0' }],
  ['oci-layout:///a:b/c', { path: '/a:b/c' }],
  [`oci-layout:///a@sha256:${HEX}`, { path: '/a', digest: `sha256:${HEX}` }],
  [`oci-layout:///a:t@sha256:${HEX}`, { path: '/a', tag: 't', digest: `sha256:${HEX}` }],
  ['oci-layout:///a/@/b', { path: '/a/@/b' }],
  ['oci-layout:///a@b:v1', { path: '/a@b', tag: 'v1' }],
])('%s is read as %j', (text, expected) => {
  expect(parseOciLayoutReference(text, '/cwd')).toEqual(expected);
});

test.each(['oci-layout://', 'oci-layout://:tag', 'oci-layout://a\0b'])('%j is no reference', (text) => {
  expect(() => parseOciLayoutReference(text, '/')).toThrowError(
    expect.objectContaining({ code: 'SLIPWAY_REFERENCE_INVALID' }),
  );
});

describe('findInLayout', () => {
  test('finds a tag, and latest where none is given', () => {
    writeLayout(folder, { manifests: [named(one.manifest, 'v1'), named(two.manifest, 'latest')], images: [one, two] });
    expect(findInLayout({ path: folder, tag: 'v1' }).digest).toBe(one.manifest.digest);
    expect(findInLayout({ path: folder }).digest).toBe(two.manifest.digest);
  });

  test('finds the only image where no tag is given', () => {
    writeLayout(folder, { manifests: [named(one.manifest, 'v1')], images: [one] });
    expect(findInLayout({ path: folder }).digest).toBe(one.manifest.digest);
  });

  test('a tag that is not there is SLIPWAY_IMAGE_NOT_FOUND with those that are', () => {
    writeLayout(folder, { manifests: [named(one.manifest, 'v1'), named(two.manifest, 'v2')], images: [one, two] });
    expect(() => findInLayout({ path: folder, tag: 'v9' })).toThrowError(
      expect.objectContaining({
        code: 'SLIPWAY_IMAGE_NOT_FOUND',
        message: `the OCI layout ${folder} has no image with the tag v9`,
        hint: 'it has the tags v1, v2',
      }),
    );
  });

  test.each([
    ['a folder that is no layout', () => {}, 'it has no file oci-layout'],
    ['another version', () => writeFileSync(`${folder}/oci-layout`, '{"imageLayoutVersion":"2"}'), 'says version "2"'],
    ['a marker that is no JSON', () => writeFileSync(`${folder}/oci-layout`, '{'), 'says version nothing'],
    ['no index', () => writeFileSync(`${folder}/oci-layout`, '{"imageLayoutVersion":"1.0.0"}'), 'it has no index.json'],
  ])('%s is SLIPWAY_LAYOUT_INVALID', (_what, prepare, message) => {
    prepare();
    expect(() => findInLayout({ path: folder })).toThrowError(
      expect.objectContaining({ code: 'SLIPWAY_LAYOUT_INVALID', message: expect.stringContaining(message) }),
    );
  });

  test('a broken index is an error that names the file', () => {
    writeLayout(folder, { manifests: [], images: [] });
    writeFileSync(`${folder}/index.json`, '{"schemaVersion":2,"manifests":[{"digest":"../../x"}]}');
    expect(() => findInLayout({ path: folder })).toThrowError(`${folder}/index.json: the digest of "manifests"[0]`);
  });
});

describe('reading a layout', () => {
  beforeEach(() => writeLayout(folder, { manifests: [one.manifest], images: [one] }));

  test('gives verified bytes', () => {
    expect(readFromLayout(folder, one.manifest).equals(one.manifestBytes)).toBe(true);
    writeFileSync(blobFile(one.manifest), 'other');
    expect(() => readFromLayout(folder, one.manifest)).toThrowError(
      expect.objectContaining({ code: 'SLIPWAY_BLOB_MISMATCH' }),
    );
  });

  test('a missing blob is SLIPWAY_IMAGE_NOT_FOUND', async () => {
    unlinkSync(blobFile(one.manifest));
    expect(() => readFromLayout(folder, one.manifest)).toThrowError(
      expect.objectContaining({ code: 'SLIPWAY_IMAGE_NOT_FOUND' }),
    );
    await expect(
      streamFromLayout(folder, { ...one.manifest, digest: two.manifest.digest }).next(),
    ).rejects.toMatchObject({
      code: 'SLIPWAY_IMAGE_NOT_FOUND',
    });
  });

  test('a FIFO, a device and a folder in place of a blob do not hang and are not read', () => {
    const replaceBy = (make: () => void) => {
      rmSync(blobFile(one.manifest), { recursive: true, force: true });
      make();
      expect(() => readFromLayout(folder, one.manifest)).toThrowError(
        expect.objectContaining({
          code: 'SLIPWAY_LAYOUT_INVALID',
          message: expect.stringContaining('not a regular file'),
        }),
      );
    };
    replaceBy(() => execFileSync('mkfifo', [blobFile(one.manifest)]));
    replaceBy(() => symlinkSync('/dev/zero', blobFile(one.manifest)));
    replaceBy(() => symlinkSync('/', blobFile(one.manifest)));
  });

  test('a symlink to another file is only as good as its digest', () => {
    rmSync(blobFile(one.manifest));
    symlinkSync('/etc/passwd', blobFile(one.manifest));
    expect(() => readFromLayout(folder, one.manifest)).toThrowError(
      expect.objectContaining({ code: 'SLIPWAY_BLOB_MISMATCH' }),
    );
  });

  test('a huge sparse blob is refused before it is read', () => {
    truncateSync(blobFile(one.manifest), 2 ** 40);
    expect(() => readFromLayout(folder, one.manifest)).toThrowError('more than 8388608');
  });
});

describe('resolving in a layout', () => {
  const signal = new AbortController().signal;

  test('goes through nested indexes to the platform', async () => {
    const { index, indexBytes } = makeIndex([one, two]);
    writeLayout(folder, { manifests: [named(index, 'v1')], images: [one, two], documents: [indexBytes] });
    using rig = openPullRig();
    const { resolver } = rig.sources();
    const image = await resolver.resolve(`oci-layout://${folder}:v1`, parsePlatform('linux/arm64'), signal);
    expect(image).toMatchObject({ manifest: two.manifest.digest, root: index.digest });
    expect(image.config.config.Env).toEqual(['N=2']);
    await expect(
      resolver.resolve(`oci-layout://${folder}:v1`, parsePlatform('linux/s390x'), signal),
    ).rejects.toMatchObject({
      code: 'SLIPWAY_PLATFORM_MISSING',
    });
  });

  test('takes a digest that the index does not name, if the blob is there', async () => {
    writeLayout(folder, { manifests: [one.manifest], images: [one, two] });
    using rig = openPullRig();
    const reference = `oci-layout://${folder}@${two.manifest.digest}`;
    const image = await rig.sources().resolver.resolve(reference, parsePlatform('linux/arm64'), signal);
    expect(image.manifest).toBe(two.manifest.digest);
  });

  test('a manifest that is a config in truth is refused', async () => {
    writeLayout(folder, { manifests: [{ ...one.config, mediaType: MEDIA.ociManifest }], images: [one] });
    using rig = openPullRig();
    await expect(
      rig.sources().resolver.resolve(`oci-layout://${folder}`, parsePlatform('linux/amd64'), signal),
    ).rejects.toMatchObject({ code: 'SLIPWAY_IMAGE_INVALID' });
  });
});
