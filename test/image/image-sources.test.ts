import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { Descriptor } from '../../src/core/descriptor.ts';
import { parsePlatform } from '../../src/core/platform.ts';
import type { TransferProgress } from '../../src/image/layer-downloads.ts';
import { addImage, makeImage, writeLayout } from '../rig/image.ts';
import { openPullRig, type PullRig } from '../rig/pull-rig.ts';
import { cutAfter, respond, startRegistry, type TestRegistry } from '../rig/registry.ts';

const signal = new AbortController().signal;
const AMD64 = parsePlatform('linux/amd64');
const image = makeImage({
  layers: Array.from({ length: 8 }, (_none, at) => [{ path: `file${at}`, text: `${at}`.repeat(1000) }]),
});
const layer = image.layers[0] as Descriptor;
const bytes = image.blobs.get(layer.digest) as Buffer;
let registry: TestRegistry;
let rig: PullRig;
let ref: string;

beforeEach(async () => {
  registry = await startRegistry();
  rig = openPullRig();
  ref = `${registry.host}/team/app:v1`;
  addImage(registry, 'team/app', 'v1', image);
});
afterEach(async () => {
  rig[Symbol.dispose]();
  await registry[Symbol.asyncDispose]();
});

const blobRequests = () => registry.requests.filter(({ path }) => path.includes('/blobs/'));

describe('layers of a registry', () => {
  test('are fetched once, however many ask', async () => {
    const source = rig.sources().blobSource('registry', ref);
    await Promise.all(Array.from({ length: 5 }, () => source.fetch(layer, signal)));
    await source.fetch(layer, signal);
    expect(rig.content.read(layer.digest).equals(bytes)).toBe(true);
    expect(blobRequests()).toHaveLength(1);
  });

  test('come at most four at a time', async () => {
    let open = 0;
    let most = 0;
    registry.intercept(/blobs/, (_request, response, next) => {
      most = Math.max(most, ++open);
      response.on('finish', () => open--);
      setTimeout(next, 20);
    });
    const source = rig.sources().blobSource('registry', ref);
    await Promise.all(image.layers.map((one) => source.fetch(one, signal)));
    expect(most).toBe(4);
  });

  test('say how far they are', async () => {
    const seen: TransferProgress[] = [];
    const source = rig.sources({ onProgress: (progress) => seen.push(progress) }).blobSource('registry', ref);
    await source.fetch(layer, signal);
    expect(seen[0]).toEqual({ ref, digest: layer.digest, current: 0, total: layer.size });
    expect(seen.at(-1)).toEqual({ ref, digest: layer.digest, current: layer.size, total: layer.size });
  });

  test('with other bytes than their digest are not kept', async () => {
    registry.intercept(/blobs/, respond(200, {}, Buffer.alloc(bytes.length)));
    await expect(rig.sources().blobSource('registry', ref).fetch(layer, signal)).rejects.toMatchObject({
      code: 'SLIPWAY_BLOB_MISMATCH',
      message: expect.stringContaining(`image ${ref}: `),
    });
    expect(rig.content.size(layer.digest)).toBeUndefined();
  });

  test('that are cut on the way are completed', async () => {
    registry.intercept(/blobs/, cutAfter(bytes, 50), 1);
    await rig.sources().blobSource('registry', ref).fetch(layer, signal);
    expect(rig.content.read(layer.digest).equals(bytes)).toBe(true);
  });

  test('an abort of one who waits does not stop the transfer for the others', async () => {
    const release = Promise.withResolvers<void>();
    registry.intercept(/blobs/, async (_request, _response, next) => {
      await release.promise;
      next();
    });
    const source = rig.sources().blobSource('registry', ref);
    const impatient = new AbortController();
    const first = source.fetch(layer, impatient.signal);
    const second = source.fetch(layer, signal);
    impatient.abort(new Error('not needed any more'));
    await expect(first).rejects.toThrow('not needed any more');
    release.resolve();
    await second;
    expect(rig.content.size(layer.digest)).toBe(layer.size);
  });

  test('when all who wait are aborted the transfer ends, and can be begun again', async () => {
    registry.intercept(/blobs/, () => {}, 1);
    const source = rig.sources().blobSource('registry', ref);
    const abort = new AbortController();
    const waiting = [source.fetch(layer, abort.signal), source.fetch(layer, abort.signal)];
    setTimeout(() => abort.abort(new Error('stopped')), 30);
    for (const result of await Promise.allSettled(waiting))
      expect(result).toMatchObject({ reason: { message: 'stopped' } });
    await source.fetch(layer, signal);
    expect(rig.content.size(layer.digest)).toBe(layer.size);
  });
});

describe('layers of an image that was built here', () => {
  test('are in the store', async () => {
    rig.content.put(bytes);
    await rig.sources().blobSource('store', ref).fetch(layer, signal);
    expect(rig.connections()).toBe(0);
  });

  test('of a base that was never needed come from where the base was pulled', async () => {
    await rig.sources().resolver.resolve(ref, AMD64, signal);
    await rig.sources().blobSource('store', 'docker.io/library/child:latest').fetch(layer, signal);
    expect(rig.content.read(layer.digest).equals(bytes)).toBe(true);
  });

  test('that are nowhere are SLIPWAY_BLOB_MISSING', async () => {
    await expect(rig.sources().blobSource('store', ref).fetch(layer, signal)).rejects.toMatchObject({
      code: 'SLIPWAY_BLOB_MISSING',
    });
  });
});

test('layers of an OCI layout are copied into the store, verified', async () => {
  const path = `${rig.folder}/layout`;
  writeLayout(path, { manifests: [image.manifest], images: [image] });
  const resolved = await rig.sources().resolver.resolve('oci-layout://layout', AMD64, signal);
  expect(resolved).toMatchObject({ manifest: image.manifest.digest, from: `oci-layout:${path}` });
  await rig.sources().blobSource(resolved.from, resolved.ref).fetch(layer, signal);
  expect(rig.content.read(layer.digest).equals(bytes)).toBe(true);
  expect(rig.connections()).toBe(0);
});
