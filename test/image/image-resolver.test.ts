import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { MEDIA } from '../../src/core/descriptor.ts';
import { digestOf } from '../../src/core/digest.ts';
import { parsePlatform } from '../../src/core/platform.ts';
import { addImage, addIndex, makeImage, makeIndex, type TestImage } from '../rig/image.ts';
import { openPullRig, type PullRig } from '../rig/pull-rig.ts';
import { respond, startRegistry, type TestRegistry } from '../rig/registry.ts';

const signal = new AbortController().signal;
const AMD64 = parsePlatform('linux/amd64');
const ARM64 = parsePlatform('linux/arm64');
const amd64 = makeImage({ config: { Env: ['ON=amd64'] } });
const arm64 = makeImage({
  config: { Env: ['ON=arm64'] },
  platform: { os: 'linux', architecture: 'arm64', variant: 'v8' },
});
const attestation = {
  mediaType: MEDIA.ociManifest,
  digest: digestOf('attestation'),
  size: 11,
  platform: { os: 'unknown', architecture: 'unknown' },
  annotations: { 'vnd.docker.reference.type': 'attestation-manifest' },
};
const both = makeIndex([amd64, arm64], [attestation]);
let registry: TestRegistry;
let rig: PullRig;
let ref: string;

beforeEach(async () => {
  registry = await startRegistry();
  rig = openPullRig();
  ref = `${registry.host}/team/app:v1`;
});
afterEach(async () => {
  rig[Symbol.dispose]();
  await registry[Symbol.asyncDispose]();
});

const resolve = (text = ref, platform = AMD64, sources = rig.sources()) =>
  sources.resolver.resolve(text, platform, signal);
const log = () => registry.requests.map(({ method, path }) => `${method} ${path.replace('/v2/team/app/', '')}`);

/** Stores an image as `-t` does. */
function build(image: TestImage, reference = ref): void {
  for (const bytes of [...image.blobs.values(), image.manifestBytes]) rig.content.put(bytes);
  rig.images.put(reference, image.manifest, 'built');
}

describe('from a registry', () => {
  test('an image is pinned with its config and layers, and no layer is fetched', async () => {
    addImage(registry, 'team/app', 'v1', amd64);
    expect(await resolve(`${registry.host}/team/app:v1`)).toEqual({
      ref,
      manifest: amd64.manifest.digest,
      root: amd64.manifest.digest,
      platform: AMD64,
      config: expect.objectContaining({ config: { Env: ['ON=amd64'] } }),
      layers: amd64.layers,
      from: 'registry',
    });
    expect(log()).toEqual(['GET manifests/v1', `GET blobs/${amd64.config.digest}`]);
  });

  test('an index is resolved to the manifest of the platform', async () => {
    addIndex(registry, 'team/app', 'v1', both);
    const image = await resolve(ref, ARM64);
    expect(image).toMatchObject({ manifest: arm64.manifest.digest, root: both.index.digest, platform: ARM64 });
    expect(image.config.config.Env).toEqual(['ON=arm64']);
  });

  test("docker's formats are read like OCI's", async () => {
    const docker = makeImage({ format: 'docker' });
    addImage(registry, 'team/app', 'v1', docker);
    const index = {
      schemaVersion: 2,
      mediaType: MEDIA.dockerList,
      manifests: [{ ...docker.manifest, platform: AMD64 }],
    };
    registry.addManifest('team/app', Buffer.from(JSON.stringify(index)), { mediaType: MEDIA.dockerList, tag: 'list' });
    expect((await resolve()).layers).toEqual(docker.layers);
    expect((await resolve(`${registry.host}/team/app:list`)).manifest).toBe(docker.manifest.digest);
  });

  test('a missing platform is SLIPWAY_PLATFORM_MISSING with those there are, attestations aside', async () => {
    addIndex(registry, 'team/app', 'v1', both);
    await expect(resolve(ref, parsePlatform('linux/s390x'))).rejects.toMatchObject({
      code: 'SLIPWAY_PLATFORM_MISSING',
      message: `image ${ref} has no match for platform linux/s390x: it is there for linux/amd64, linux/arm64/v8`,
    });
  });

  test('a manifest without an index is taken whatever its platform', async () => {
    addImage(registry, 'team/app', 'v1', arm64);
    expect(await resolve()).toMatchObject({ platform: ARM64 });
  });

  test('manifests of an index that name no platform are told apart by their configs', async () => {
    const bare = (image: TestImage) => image.manifest;
    for (const image of [arm64, amd64]) addImage(registry, 'team/app', undefined, image);
    const index = { schemaVersion: 2, mediaType: MEDIA.ociIndex, manifests: [bare(arm64), bare(amd64)] };
    registry.addManifest('team/app', Buffer.from(JSON.stringify(index)), { mediaType: MEDIA.ociIndex, tag: 'v1' });
    expect((await resolve()).manifest).toBe(amd64.manifest.digest);
    await expect(resolve(ref, parsePlatform('linux/s390x'))).rejects.toMatchObject({
      message: expect.stringContaining('it is there for linux/arm64, linux/amd64'),
    });
  });

  test('a digest decides, and the tag beside it is not asked for', async () => {
    addImage(registry, 'team/app', 'v1', amd64);
    addImage(registry, 'team/app', 'v2', arm64);
    const image = await resolve(`${ref}@${arm64.manifest.digest}`);
    expect(image).toMatchObject({ manifest: arm64.manifest.digest, ref: `${ref}@${arm64.manifest.digest}` });
    expect(log()[0]).toBe(`GET manifests/${arm64.manifest.digest}`);
  });

  test('platforms of one build see the same index, even if the tag moves', async () => {
    addIndex(registry, 'team/app', 'v1', both);
    const sources = rig.sources({ pull: 'always' });
    const first = await resolve(ref, AMD64, sources);
    addImage(registry, 'team/app', 'v1', makeImage({ config: { Env: ['NEW=1'] } }));
    expect((await resolve(ref, ARM64, sources)).root).toBe(first.root);
  });

  test('the same question at the same time is asked once', async () => {
    addImage(registry, 'team/app', 'v1', amd64);
    const sources = rig.sources();
    await Promise.all(Array.from({ length: 5 }, () => resolve(ref, AMD64, sources)));
    expect(log()).toHaveLength(2);
  });

  test('a failure is not remembered', async () => {
    const sources = rig.sources();
    await expect(resolve(ref, AMD64, sources)).rejects.toMatchObject({ code: 'SLIPWAY_IMAGE_NOT_FOUND' });
    addImage(registry, 'team/app', 'v1', amd64);
    expect((await resolve(ref, AMD64, sources)).manifest).toBe(amd64.manifest.digest);
  });
});

describe('an image that contradicts itself is refused', () => {
  const put = (document: unknown, mediaType: string = MEDIA.ociManifest) =>
    registry.addManifest('team/app', Buffer.from(JSON.stringify(document)), { mediaType, tag: 'v1' });
  const manifest = (more: object) => ({
    schemaVersion: 2,
    mediaType: MEDIA.ociManifest,
    config: amd64.config,
    layers: amd64.layers,
    ...more,
  });

  test.each([
    ['more layers than diff ids', { layers: [...amd64.layers, ...amd64.layers] }, '2 layers, its config 1 diff ids'],
    [
      "a config that is no image's",
      { config: { ...amd64.config, mediaType: 'application/vnd.helm.config' } },
      'it is no container image',
    ],
    ['a config of another size', { config: { ...amd64.config, size: 7 } }, 'where the manifest says 7'],
    ['a config of 1 TB', { config: { ...amd64.config, size: 1e12 } }, 'more than 8388608'],
  ])('%s', async (_what, more, message) => {
    addImage(registry, 'team/app', undefined, amd64);
    put(manifest(more));
    await expect(resolve()).rejects.toMatchObject({
      code: expect.stringMatching(/SLIPWAY_(IMAGE|REGISTRY)_INVALID/),
      message: expect.stringContaining(message),
    });
    expect(rig.images.list()).toEqual([]);
  });

  test('a config with other bytes than its digest', async () => {
    addImage(registry, 'team/app', 'v1', amd64);
    registry.intercept(/blobs/, respond(200, {}, Buffer.alloc(amd64.config.size, '{')));
    await expect(resolve()).rejects.toMatchObject({ code: 'SLIPWAY_BLOB_MISMATCH' });
    expect(rig.content.size(amd64.config.digest)).toBeUndefined();
  });

  test('CVE-2021-41190: a manifest that is sent as an index', async () => {
    const { mediaType: _type, ...untyped } = manifest({});
    put(untyped, MEDIA.ociIndex);
    await expect(resolve()).rejects.toMatchObject({ code: 'SLIPWAY_IMAGE_INVALID' });
  });

  test('CVE-2021-41190: a manifest that an index calls by another type', async () => {
    addImage(registry, 'team/app', undefined, amd64);
    const entry = { ...amd64.manifest, mediaType: MEDIA.dockerManifest, platform: AMD64 };
    put({ schemaVersion: 2, mediaType: MEDIA.ociIndex, manifests: [entry] }, MEDIA.ociIndex);
    await expect(resolve()).rejects.toMatchObject({ code: 'SLIPWAY_IMAGE_INVALID' });
  });

  test('indexes within indexes without end', async () => {
    let entry: object = { ...amd64.manifest };
    for (let depth = 0; depth < 8; depth++) {
      const bytes = Buffer.from(JSON.stringify({ schemaVersion: 2, mediaType: MEDIA.ociIndex, manifests: [entry] }));
      entry = registry.addManifest('team/app', bytes, { mediaType: MEDIA.ociIndex, tag: 'v1' });
    }
    await expect(resolve()).rejects.toMatchObject({ message: expect.stringContaining('more than 4 deep') });
  });

  test("docker's schema 1", async () => {
    put({ schemaVersion: 1, name: 'x', fsLayers: [] }, 'application/vnd.docker.distribution.manifest.v1+prettyjws');
    await expect(resolve()).rejects.toMatchObject({ code: 'SLIPWAY_IMAGE_UNSUPPORTED' });
  });
});

describe('the local image store', () => {
  test('what was pulled needs no network in the next build, not even a connection', async () => {
    addIndex(registry, 'team/app', 'v1', both);
    const first = await resolve();
    const before = rig.connections();
    registry.requests.length = 0;
    expect(await resolve()).toEqual(first);
    expect(log()).toEqual([]);
    expect(rig.connections()).toBe(before);
    expect(rig.images.list()).toMatchObject([{ reference: ref, target: both.index, origin: 'pulled' }]);
  });

  test('another platform of a pulled index is fetched by its digest', async () => {
    addIndex(registry, 'team/app', 'v1', both);
    await resolve();
    registry.requests.length = 0;
    expect((await resolve(ref, ARM64)).manifest).toBe(arm64.manifest.digest);
    expect(log()).toEqual([`GET manifests/${arm64.manifest.digest}`, `GET blobs/${arm64.config.digest}`]);
  });

  test('with pull, a tag that did not move costs one HEAD', async () => {
    addIndex(registry, 'team/app', 'v1', both);
    await resolve();
    registry.requests.length = 0;
    await resolve(ref, AMD64, rig.sources({ pull: 'always' }));
    expect(log()).toEqual(['HEAD manifests/v1']);
  });

  test('with pull, a tag that moved is followed', async () => {
    addImage(registry, 'team/app', 'v1', amd64);
    await resolve();
    addImage(registry, 'team/app', 'v1', arm64);
    expect((await resolve()).manifest).toBe(amd64.manifest.digest);
    expect((await resolve(ref, AMD64, rig.sources({ pull: 'always' }))).manifest).toBe(arm64.manifest.digest);
    expect((await resolve()).manifest).toBe(arm64.manifest.digest);
  });

  test('a digest never asks again, not even with pull', async () => {
    addImage(registry, 'team/app', 'v1', amd64);
    const pinned = `${registry.host}/team/app@${amd64.manifest.digest}`;
    await resolve(pinned);
    registry.requests.length = 0;
    await resolve(pinned, AMD64, rig.sources({ pull: 'always' }));
    expect(log()).toEqual([]);
  });

  test('what was built here is found without a registry', async () => {
    build(amd64, 'docker.io/library/app:latest');
    expect(await resolve('app')).toMatchObject({ manifest: amd64.manifest.digest, from: 'store' });
    expect(rig.connections()).toBe(0);
  });

  test('what was built for another platform is looked for in the registry, and not replaced', async () => {
    build(arm64);
    addImage(registry, 'team/app', 'v1', amd64);
    expect((await resolve()).manifest).toBe(amd64.manifest.digest);
    expect(rig.images.get(ref)).toMatchObject({ target: arm64.manifest, origin: 'built' });
  });

  test('what was built for another platform and is in no registry is SLIPWAY_PLATFORM_MISSING', async () => {
    build(arm64);
    await expect(resolve()).rejects.toMatchObject({
      code: 'SLIPWAY_PLATFORM_MISSING',
      message: expect.stringContaining('linux/arm64 (in the local image store alone)'),
    });
  });

  test('an image whose blobs are gone is pulled again', async () => {
    addImage(registry, 'team/app', 'v1', amd64);
    await resolve();
    rig.content.delete(amd64.config.digest);
    expect((await resolve()).manifest).toBe(amd64.manifest.digest);
    rig.content.delete(amd64.manifest.digest);
    expect((await resolve()).manifest).toBe(amd64.manifest.digest);
  });
});
