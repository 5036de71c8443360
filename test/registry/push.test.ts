import { randomBytes } from 'node:crypto';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { ContentStore } from '../../cache/content/content-store.ts';
import type { Descriptor } from '../../src/core/descriptor.ts';
import { parseReference } from '../../src/core/reference.ts';
import { type ImagePush, pushImage } from '../../src/registry/push-image.ts';
import { addImage, makeImage, makeIndex, type TestImage } from '../rig/image.ts';
import { openPullRig, type PullRig, testClient } from '../rig/pull-rig.ts';
import { respond, startRegistry, type TestRegistry } from '../rig/registry.ts';

const signal = new AbortController().signal;
const image = makeImage({ layers: [[{ path: 'a', text: 'lower' }], [{ path: 'b', text: 'x'.repeat(100_000) }]] });
let registry: TestRegistry;
let rig: PullRig;

beforeEach(async () => {
  registry = await startRegistry();
  rig = openPullRig();
  keep(rig.content, image);
});
afterEach(async () => {
  rig[Symbol.dispose]();
  await registry[Symbol.asyncDispose]();
});

function keep(content: ContentStore, ...images: readonly TestImage[]): void {
  for (const { blobs, manifestBytes } of images)
    for (const bytes of [...blobs.values(), manifestBytes]) content.put(bytes);
}

function push(root: Descriptor, options: Partial<ImagePush> = {}, to = registry): Promise<string> {
  const fetch = async () => {
    throw new Error('nothing is to be fetched');
  };
  const reference = parseReference(`${to.host}/team/app:v1`);
  const { content, client } = rig;
  return pushImage(client, { reference, root, content, sources: () => [], fetch, ...options }, signal);
}

const seen = (pattern: RegExp, on = registry) =>
  on.requests.map(({ method, path }) => `${method} ${path}`).filter((line) => pattern.test(line));

describe('an image', () => {
  test('is pushed blobs first and its tag last', async () => {
    const sent: number[] = [];
    expect(await push(image.manifest, { onProgress: (_blob, bytes) => sent.push(bytes) })).toBe(image.manifest.digest);
    expect(registry.contents.tags.get('team/app v1')).toBe(image.manifest.digest);
    expect(seen(/^PUT/)).toHaveLength(4);
    expect(seen(/^PUT/).at(-1)).toBe('PUT /v2/team/app/manifests/v1');
    expect(Math.max(...sent)).toBe(Math.max(image.config.size, ...image.layers.map((layer) => layer.size)));
  });

  test('that the registry has already is not sent again', async () => {
    await push(image.manifest);
    registry.requests.length = 0;
    await push(image.manifest);
    expect(seen(/^(POST|PATCH)/)).toEqual([]);
    expect(seen(/^PUT/)).toEqual(['PUT /v2/team/app/manifests/v1']);
  });

  test("of a pulled base borrows the base's layers and never downloads them", async () => {
    addImage(registry, 'bases/base', 'v1', image);
    for (const layer of image.layers) rig.content.delete(layer.digest);
    const sources = () => [
      { domain: 'elsewhere.example.com', path: 'x' },
      { domain: registry.host, path: 'bases/base' },
    ];
    await push(image.manifest, { sources });
    expect(seen(/^POST.*mount=sha256%3A\w+&from=bases%2Fbase$/)).toHaveLength(3);
    expect(seen(/^PUT/)).toEqual(['PUT /v2/team/app/manifests/v1']);
  });

  test('whose layer cannot be borrowed is fetched and sent', async () => {
    const layer = image.layers[0] as Descriptor;
    const bytes = image.blobs.get(layer.digest) as Buffer;
    rig.content.delete(layer.digest);
    const fetched: string[] = [];
    const fetch = async (wanted: Descriptor) => {
      fetched.push(wanted.digest);
      rig.content.put(bytes);
    };
    registry.intercept(/mount=/, respond(401));
    await push(image.manifest, { fetch, sources: () => [{ domain: registry.host, path: 'private/base' }] });
    expect(fetched).toEqual([layer.digest]);
    expect(registry.contents.tags.has('team/app v1')).toBe(true);
  });

  test('that is an index comes with all its images, children first', async () => {
    const arm = makeImage({ platform: { os: 'linux', architecture: 'arm64' } });
    const { index, indexBytes } = makeIndex([image, arm]);
    keep(rig.content, arm);
    rig.content.put(indexBytes);
    await push(index);
    expect(seen(/^PUT.*manifests/)).toEqual([
      `PUT /v2/team/app/manifests/${image.manifest.digest}`,
      `PUT /v2/team/app/manifests/${arm.manifest.digest}`,
      'PUT /v2/team/app/manifests/v1',
    ]);
  });

  test('without a tag is pushed by its digest', async () => {
    const reference = parseReference(`${registry.host}/team/app@${image.manifest.digest}`);
    await push(image.manifest, { reference });
    expect(registry.contents.tags.size).toBe(0);
    expect(registry.contents.manifests.has(`team/app ${image.manifest.digest}`)).toBe(true);
  });
});

describe('uploads', () => {
  test('a registry that refuses long requests gets chunks', async () => {
    const large = makeImage({ layers: [[{ path: 'a', bytes: randomBytes(20 << 20) }]] });
    keep(rig.content, large);
    await using small = await startRegistry({ maxUploadBytes: 17 << 20 });
    await push(large.manifest, {}, small);
    const layer = large.layers[0] as Descriptor;
    const ranges = small.requests.flatMap(({ headers }) => headers['content-range'] ?? []);
    expect(ranges).toEqual([`0-${(16 << 20) - 1}`, `${16 << 20}-${layer.size - 1}`]);
    expect(small.contents.blobs.get(layer.digest)?.length).toBe(layer.size);
  });

  test('a connection that is cut begins a new upload', async () => {
    registry.intercept(/^PUT .*uploads/, (request) => void request.socket.destroy(), 2);
    await push(image.manifest);
    expect(registry.contents.tags.get('team/app v1')).toBe(image.manifest.digest);
  });

  test('an upload that the registry forgot is begun again', async () => {
    registry.intercept(/^PUT .*uploads/, respond(404), 1);
    registry.intercept(/^PUT .*uploads/, respond(416), 1);
    await push(image.manifest);
    expect(registry.contents.tags.get('team/app v1')).toBe(image.manifest.digest);
  });

  test("the query of an upload's location stays as it is", async () => {
    registry.intercept(/^POST/, (_request, response) => {
      response.writeHead(202, { location: '/v2/team/app/blobs/uploads/1?_state=a%2Fb+c==' }).end();
    });
    registry.intercept(/^PUT .*uploads/, respond(201));
    await push(image.manifest).catch(() => {});
    expect(seen(/^PUT .*uploads/)[0]).toMatch(/\?_state=a%2Fb\+c==&digest=sha256%3A[0-9a-f]{64}$/);
  });

  test('c692b03: a location on another host gets the blob without a token', async () => {
    await using guarded = await startRegistry({ auth: { kind: 'token' } });
    await using storage = await startRegistry();
    storage.intercept(/./, (request, response) => {
      request.resume().on('end', () => response.writeHead(201).end());
    });
    guarded.intercept(/^POST/, (request, response, next) => {
      if (request.headers.authorization === undefined) return next();
      response.writeHead(202, { location: `http://${storage.host}/upload` }).end();
    });
    await push(image.manifest, {}, guarded).catch(() => {});
    expect(storage.requests.length).toBeGreaterThan(0);
    expect(storage.requests.every((request) => request.authorization === undefined)).toBe(true);
  });

  test.each(['file:///x', 'gopher://127.0.0.1/', ''])('a location %j is refused', async (location) => {
    registry.intercept(/^POST/, respond(202, { location }));
    await expect(push(image.manifest)).rejects.toMatchObject({ code: 'SLIPWAY_REGISTRY_INVALID' });
  });

  test('a refusal to push names reference and reason, and ends the other uploads', async () => {
    registry.intercept(/^POST/, respond(403, {}, '{"errors":[{"code":"DENIED","message":"read only"}]}'));
    await expect(push(image.manifest)).rejects.toMatchObject({
      code: 'SLIPWAY_REGISTRY_DENIED',
      message: expect.stringMatching(/^cannot push .*\/team\/app:v1: .*403 \(DENIED: read only\)$/),
    });
    expect(seen(/^PUT/)).toEqual([]);
  });

  test('a token for pushing is asked for once for all blobs', async () => {
    await using guarded = await startRegistry({ auth: { kind: 'token' } });
    await push(image.manifest, {}, guarded);
    expect(guarded.contents.tags.get('team/app v1')).toBe(image.manifest.digest);
    const scopes = guarded.tokens?.requests.map((asked) => asked.parameters.getAll('scope').join(' '));
    expect(new Set(scopes)).toEqual(new Set(['repository:team/app:pull,push']));
    expect(scopes?.length).toBeLessThanOrEqual(4);
  });

  test('an abort ends a push with its reason', async () => {
    const abort = new AbortController();
    registry.intercept(/^PUT .*uploads/, () => abort.abort(new Error('stopped by the user')));
    using client = testClient();
    const { content } = rig;
    const reference = parseReference(`${registry.host}/team/app:v1`);
    const stopped = pushImage(
      client,
      { reference, root: image.manifest, content, sources: () => [], fetch: async () => {} },
      abort.signal,
    );
    await expect(stopped).rejects.toThrow('stopped by the user');
    expect(registry.contents.tags.size).toBe(0);
  });
});
