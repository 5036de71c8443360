import { createServer } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { type Descriptor, MEDIA } from '../../src/core/descriptor.ts';
import { type Digest, digestOf } from '../../src/core/digest.ts';
import { parseReference } from '../../src/core/reference.ts';
import { downloadBlob } from '../../src/registry/download-blob.ts';
import { fetchManifest, headManifest } from '../../src/registry/fetch-manifest.ts';
import type { RegistryClient } from '../../src/registry/registry-client.ts';
import { addImage, makeImage } from '../rig/image.ts';
import { close, listen } from '../rig/local-server.ts';
import { testClient } from '../rig/pull-rig.ts';
import { cutAfter, respond, sendBlob, startRegistry, type TestRegistry } from '../rig/registry.ts';

const signal = new AbortController().signal;
const image = makeImage();
const blob = Buffer.alloc(3_000_000, 'some bytes of a layer ');
let registry: TestRegistry;
let client: RegistryClient;
let descriptor: Descriptor;

beforeEach(async () => {
  registry = await startRegistry();
  client = testClient();
  addImage(registry, 'team/app', 'v1', image);
  descriptor = registry.addBlob('team/app', blob);
});
afterEach(async () => {
  client[Symbol.dispose]();
  await registry[Symbol.asyncDispose]();
});

const reference = (tail = ':v1') => parseReference(`${registry.host}/team/app${tail}`);

async function download(wanted: Descriptor = descriptor, abort: AbortSignal = signal): Promise<Buffer> {
  const repository = { domain: registry.host, path: 'team/app' };
  const chunks: Uint8Array[] = [];
  for await (const chunk of downloadBlob(client, { repository, descriptor: wanted, task: 'pull x' }, abort))
    chunks.push(chunk);
  return Buffer.concat(chunks);
}

const gets = (pattern: RegExp) =>
  registry.requests.filter((seen) => pattern.test(`${seen.method} ${seen.path}`)).length;

describe('a manifest', () => {
  test('is found by its tag and by its digest', async () => {
    const byTag = await fetchManifest(client, reference(), signal);
    expect(byTag).toMatchObject({ digest: image.manifest.digest, mediaType: MEDIA.ociManifest });
    const byDigest = await fetchManifest(client, reference(`@${image.manifest.digest}`), signal);
    expect(byDigest.bytes.equals(image.manifestBytes)).toBe(true);
    expect(await headManifest(client, reference(), signal)).toBe(image.manifest.digest);
  });

  test('that is not there is SLIPWAY_IMAGE_NOT_FOUND with the reference, the host and the reason', async () => {
    await expect(fetchManifest(client, reference(':v2'), signal)).rejects.toMatchObject({
      code: 'SLIPWAY_IMAGE_NOT_FOUND',
      message: `cannot pull ${registry.host}/team/app:v2: not found: ${registry.host} answered 404 (MANIFEST_UNKNOWN: manifest unknown)`,
    });
  });

  test('CVE-2021-21285: of 100 MB is cut off at 4 MiB', async () => {
    let sent = 0;
    registry.intercept(/manifests/, async (_request, response) => {
      const piece = Buffer.alloc(1 << 20, ' ');
      response.writeHead(200, { 'content-type': MEDIA.ociManifest });
      for (; sent < 100 && !response.destroyed; sent++)
        if (!response.write(piece)) await Promise.race([new Promise((go) => response.once('drain', go)), sleep(2000)]);
      response.destroy();
    });
    await expect(fetchManifest(client, reference(), signal)).rejects.toMatchObject({
      code: 'SLIPWAY_REGISTRY_INVALID',
      message: expect.stringContaining('longer than 4194304 bytes'),
    });
    expect(sent).toBeLessThan(50);
  });

  test('with other bytes than its digest is refused', async () => {
    registry.intercept(/manifests/, respond(200, { 'content-type': MEDIA.ociManifest }, '{"schemaVersion":2}'));
    await expect(fetchManifest(client, reference(`@${image.manifest.digest}`), signal)).rejects.toMatchObject({
      code: 'SLIPWAY_REGISTRY_INVALID',
      message: expect.stringMatching(/gave a manifest with digest sha256:\w+, expected sha256:/),
    });
  });

  test('with other bytes than the registry announced is refused', async () => {
    const headers = { 'content-type': MEDIA.ociManifest, 'docker-content-digest': digestOf('other') };
    registry.intercept(/manifests/, respond(200, headers, '{"schemaVersion":2}'));
    await expect(fetchManifest(client, reference(), signal)).rejects.toMatchObject({
      code: 'SLIPWAY_REGISTRY_INVALID',
    });
  });
});

describe('temporary failures', () => {
  test.each([
    ['500', respond(500)],
    ['502 from a proxy', respond(502, { 'content-type': 'text/html' }, '<html>Bad Gateway</html>')],
    ['429', respond(429, { 'retry-after': '0' })],
    ['a cut connection', cutAfter(Buffer.alloc(100), 10)],
  ])('are tried again: %s', async (_what, interception) => {
    registry.intercept(/manifests/, interception, 2);
    expect((await fetchManifest(client, reference(), signal)).digest).toBe(image.manifest.digest);
    expect(gets(/manifests/)).toBe(3);
  });

  test('Retry-After is waited for', async () => {
    registry.intercept(/manifests/, respond(429, { 'retry-after': '1' }), 1);
    const start = performance.now();
    await fetchManifest(client, reference(), signal);
    expect(performance.now() - start).toBeGreaterThanOrEqual(1000);
  });

  test('a Retry-After that is too long ends the attempts', async () => {
    const body =
      '{"errors":[{"code":"TOOMANYREQUESTS","message":"You have reached your pull rate limit.\\u001b[31m"}]}';
    registry.intercept(/manifests/, respond(429, { 'retry-after': '3600' }, body));
    await expect(fetchManifest(client, reference(), signal)).rejects.toMatchObject({
      code: 'SLIPWAY_REGISTRY_UNREACHABLE',
      message: expect.stringContaining('429 (TOOMANYREQUESTS: You have reached your pull rate limit. [31m)'),
      hint: expect.stringContaining('docker login'),
    });
    expect(gets(/manifests/)).toBe(1);
  });

  test("end after five attempts with the registry's reason", async () => {
    registry.intercept(/manifests/, respond(503, {}, 'down for maintenance'));
    await expect(fetchManifest(client, reference(), signal)).rejects.toMatchObject({
      code: 'SLIPWAY_REGISTRY_UNREACHABLE',
      message: expect.stringContaining('answered 503 (down for maintenance)'),
    });
    expect(gets(/manifests/)).toBe(5);
  });

  test('403 and 400 are not tried again', async () => {
    registry.intercept(/manifests/, respond(403));
    await expect(fetchManifest(client, reference(), signal)).rejects.toMatchObject({ code: 'SLIPWAY_REGISTRY_DENIED' });
    registry.intercept(/manifests/, respond(400));
    await expect(fetchManifest(client, reference(), signal)).rejects.toMatchObject({
      code: 'SLIPWAY_REGISTRY_INVALID',
    });
    expect(gets(/manifests/)).toBe(2);
  });

  test('an endless error body is not read to its end', async () => {
    registry.intercept(/manifests/, (_request, response) => {
      response.writeHead(404);
      const timer = setInterval(() => response.write(Buffer.alloc(65536, 'x')), 1);
      response.on('close', () => clearInterval(timer));
    });
    await expect(fetchManifest(client, reference(), signal)).rejects.toMatchObject({ code: 'SLIPWAY_IMAGE_NOT_FOUND' });
  });
});

describe('a host that cannot be used', () => {
  test('nothing listens: SLIPWAY_REGISTRY_UNREACHABLE at once', async () => {
    const server = createServer();
    const port = await listen(server);
    await close(server);
    await expect(fetchManifest(client, parseReference(`127.0.0.1:${port}/x`), signal)).rejects.toMatchObject({
      code: 'SLIPWAY_REGISTRY_UNREACHABLE',
      message: expect.stringContaining(`127.0.0.1:${port}: nothing listens there`),
    });
  });

  test('something else than http listens', async () => {
    const { createServer: createTcp } = await import('node:net');
    const server = createTcp((socket) => socket.on('error', () => {}).end('SSH-2.0-OpenSSH_9.2\r\n'));
    await new Promise<void>((ready) => server.listen(0, '127.0.0.1', ready));
    const { port } = server.address() as { port: number };
    await expect(fetchManifest(client, parseReference(`127.0.0.1:${port}/x`), signal)).rejects.toMatchObject({
      code: 'SLIPWAY_REGISTRY_UNREACHABLE',
      hint: expect.stringContaining('speaks http'),
    });
    server.close();
  });

  test('https to a plain http port', async () => {
    using secure = testClient({ isPlainHttp: () => false });
    await expect(fetchManifest(secure, reference(), signal)).rejects.toMatchObject({
      code: 'SLIPWAY_REGISTRY_UNREACHABLE',
      hint: expect.stringContaining('speaks https'),
    });
  });

  test('a registry that says nothing is given up after the idle time', async () => {
    using impatient = testClient({ idleTimeoutMs: 100, retry: { attempts: 2, firstDelayMs: 1, longestDelayMs: 10 } });
    registry.intercept(/manifests/, () => {});
    await expect(fetchManifest(impatient, reference(), signal)).rejects.toMatchObject({
      code: 'SLIPWAY_REGISTRY_UNREACHABLE',
      message: expect.stringContaining('no answer in time'),
    });
    expect(gets(/manifests/)).toBe(2);
  });
});

describe('a blob', () => {
  test('comes whole', async () => {
    expect((await download()).equals(blob)).toBe(true);
    expect(gets(/blobs/)).toBe(1);
  });

  test('whose connection is cut is taken up where it ended', async () => {
    registry.intercept(/blobs/, cutAfter(blob, 1_000_000), 1);
    expect((await download()).equals(blob)).toBe(true);
    const ranges = registry.requests.map((seen) => seen.headers.range);
    expect(ranges[0]).toBeUndefined();
    expect(ranges[1]).toMatch(/^bytes=[1-9]\d*-$/);
  });

  test('is taken up again also from a registry without ranges', async () => {
    registry.intercept(/blobs/, cutAfter(blob, 1_000_000), 1);
    registry.intercept(
      /blobs/,
      (request, response) => {
        delete request.headers.range;
        sendBlob(request, response, blob);
      },
      1,
    );
    registry.intercept(/blobs/, cutAfter(blob, 1_000_000), 1);
    expect((await download()).equals(blob)).toBe(true);
  });

  test('that ends early without an error is taken up again', async () => {
    registry.intercept(/blobs/, (_request, response) => void response.writeHead(200).end(blob.subarray(0, 500_000)), 1);
    expect((await download()).equals(blob)).toBe(true);
  });

  test('that is always cut at the same place is an error in the end', async () => {
    registry.intercept(/blobs/, (request, response) => {
      const [, start] = /bytes=(\d+)-/.exec(request.headers.range ?? '') ?? [];
      response.writeHead(start === undefined ? 200 : 206, {
        'content-length': blob.length - Number(start ?? 0),
        ...(start === undefined ? {} : { 'content-range': `bytes ${start}-${blob.length - 1}/${blob.length}` }),
      });
      response.flushHeaders();
      setTimeout(() => response.socket?.destroy(), 5);
    });
    await expect(download()).rejects.toMatchObject({ code: 'SLIPWAY_REGISTRY_UNREACHABLE' });
    expect(gets(/blobs/)).toBe(5);
  });

  test('of another size than the manifest says is refused', async () => {
    await expect(download({ ...descriptor, size: 5 })).rejects.toMatchObject({
      code: 'SLIPWAY_REGISTRY_INVALID',
      message: expect.stringContaining('has a blob of 3000000 bytes where the manifest says 5'),
    });
  });

  test('that goes on beyond its size is cut off', async () => {
    registry.intercept(/blobs/, (_request, response) => {
      response.writeHead(200);
      const timer = setInterval(() => response.write(blob), 1);
      response.on('close', () => clearInterval(timer));
    });
    await expect(download()).rejects.toMatchObject({
      message: expect.stringContaining('sent more than the 3000000 bytes'),
    });
  });

  test('with a wrong range in the answer is refused', async () => {
    registry.intercept(
      /blobs/,
      (_request, response) => {
        response.writeHead(206, { 'content-range': 'bytes 5-2999999/3000000' }).end(blob.subarray(5));
      },
      1,
    );
    await expect(download()).rejects.toMatchObject({ message: expect.stringContaining('with other bytes') });
  });

  test("that the registry does not have is the registry's fault", async () => {
    const missing = { ...descriptor, digest: digestOf('missing') as Digest };
    await expect(download(missing)).rejects.toMatchObject({
      code: 'SLIPWAY_REGISTRY_INVALID',
      message: expect.stringContaining(`does not have the blob ${missing.digest}`),
    });
  });

  test('that drips in byte by byte is given up', async () => {
    using impatient = testClient({ idleTimeoutMs: 150, retry: { attempts: 2, firstDelayMs: 1, longestDelayMs: 10 } });
    registry.intercept(/blobs/, (_request, response) => {
      response.writeHead(200);
      const timer = setInterval(() => response.write('x'), 20);
      response.on('close', () => clearInterval(timer));
    });
    const repository = { domain: registry.host, path: 'team/app' };
    const drip = async () => {
      for await (const _ of downloadBlob(impatient, { repository, descriptor, task: 'pull x' }, signal));
    };
    await expect(drip()).rejects.toMatchObject({ code: 'SLIPWAY_REGISTRY_UNREACHABLE' });
  });

  test('is given up when the build is aborted, with the reason of the abort', async () => {
    const abort = new AbortController();
    registry.intercept(/blobs/, (_request, response) => {
      response.writeHead(200).write(blob.subarray(0, 1000));
      setTimeout(() => abort.abort(new Error('stopped by the user')), 20);
    });
    await expect(download(descriptor, abort.signal)).rejects.toThrow('stopped by the user');
  });
});

describe('c692b03: a redirect', () => {
  test('is followed to another host without credentials', async () => {
    await using other = await startRegistry();
    other.intercept(/./, (request, response) => sendBlob(request, response, blob));
    await using guarded = await startRegistry({ auth: { kind: 'basic', user: 'me', password: 'secret' } });
    guarded.intercept(/blobs/, (request, response, next) => {
      if (request.headers.authorization === undefined) return next();
      response.writeHead(307, { location: `http://${other.host}/storage/blob?signature=1` }).end();
    });
    using me = testClient({ credentials: async () => ({ kind: 'password', user: 'me', password: 'secret' }) });
    const repository = { domain: guarded.host, path: 'team/app' };
    const chunks: Uint8Array[] = [];
    for await (const chunk of downloadBlob(me, { repository, descriptor, task: 'pull x' }, signal)) chunks.push(chunk);
    expect(Buffer.concat(chunks).equals(blob)).toBe(true);
    expect(guarded.requests.at(-1)?.authorization).toMatch(/^Basic /);
    expect(other.requests.map((seen) => [seen.path, seen.authorization])).toEqual([
      ['/storage/blob?signature=1', undefined],
    ]);
  });

  test('in a circle ends', async () => {
    registry.intercept(/blobs/, (request, response) => void response.writeHead(302, { location: request.url }).end());
    await expect(download()).rejects.toMatchObject({
      message: expect.stringContaining('redirects more than 10 times'),
    });
  });

  test.each(['', 'http://', 'file:///etc/passwd'])('to %j is an error', async (location) => {
    registry.intercept(/blobs/, respond(302, { location }));
    await expect(download()).rejects.toMatchObject({ code: 'SLIPWAY_REGISTRY_INVALID' });
  });
});

describe('CVE-2020-15157: a foreign layer', () => {
  test('is fetched from its own URL, without credentials', async () => {
    await using elsewhere = await startRegistry();
    elsewhere.intercept(/./, (request, response) => sendBlob(request, response, blob));
    await using guarded = await startRegistry({ auth: { kind: 'basic', user: 'me', password: 'secret' } });
    using me = testClient({ credentials: async () => ({ kind: 'password', user: 'me', password: 'secret' }) });
    const foreign = { ...descriptor, urls: ['nonsense', 'file:///etc/passwd', `http://${elsewhere.host}/layer`] };
    const repository = { domain: guarded.host, path: 'team/app' };
    const chunks: Uint8Array[] = [];
    for await (const chunk of downloadBlob(me, { repository, descriptor: foreign, task: 'pull x' }, signal))
      chunks.push(chunk);
    expect(Buffer.concat(chunks).equals(blob)).toBe(true);
    expect(elsewhere.requests.map((seen) => seen.authorization)).toEqual([undefined]);
  });
});
