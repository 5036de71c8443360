import { afterEach, describe, expect, test } from 'vitest';
import { MEDIA } from '../../src/core/descriptor.ts';
import { SlipwayError } from '../../src/core/errors.ts';
import { parseReference } from '../../src/core/reference.ts';
import type { Credentials } from '../../src/registry/docker-config.ts';
import { fetchManifest } from '../../src/registry/fetch-manifest.ts';
import { addImage, makeImage } from '../rig/image.ts';
import { testClient } from '../rig/pull-rig.ts';
import { respond, startRegistry, type TestRegistry } from '../rig/registry.ts';
import type { AuthMode } from '../rig/registry-auth.ts';

const signal = new AbortController().signal;
const image = makeImage();
const ME: Credentials = { kind: 'password', user: 'me', password: 'secret' };
let started: TestRegistry[] = [];

afterEach(async () => {
  for (const registry of started) await registry[Symbol.asyncDispose]();
  started = [];
});

async function registryWith(auth: AuthMode): Promise<TestRegistry> {
  const registry = await startRegistry({ auth });
  started.push(registry);
  addImage(registry, 'team/app', 'v1', image);
  addImage(registry, 'team/other', 'v1', image);
  return registry;
}

const app = (registry: TestRegistry, name = 'team/app') => parseReference(`${registry.host}/${name}:v1`);
const clientWith = (credentials?: Credentials) => testClient({ credentials: async () => credentials });

describe('basic authorisation', () => {
  test('credentials are sent only after the registry asked', async () => {
    const registry = await registryWith({ kind: 'basic', user: 'me', password: 'secret' });
    using client = clientWith(ME);
    await fetchManifest(client, app(registry), signal);
    await fetchManifest(client, app(registry), signal);
    const sent = `Basic ${Buffer.from('me:secret').toString('base64')}`;
    expect(registry.requests.map((seen) => seen.authorization)).toEqual([undefined, sent, sent]);
  });

  test('without credentials the error says where they would be looked for', async () => {
    const registry = await registryWith({ kind: 'basic', user: 'me', password: 'secret' });
    using client = clientWith();
    await expect(fetchManifest(client, app(registry), signal)).rejects.toMatchObject({
      code: 'SLIPWAY_REGISTRY_DENIED',
      message: expect.stringContaining("docker's config.json has none for it"),
      hint: expect.stringContaining(`docker login ${registry.host}`),
    });
  });

  test('wrong credentials are sent once and never shown', async () => {
    const registry = await registryWith({ kind: 'basic', user: 'me', password: 'other' });
    using client = clientWith(ME);
    const error = await fetchManifest(client, app(registry), signal).catch((reason: unknown) => reason);
    expect(error).toMatchObject({ code: 'SLIPWAY_REGISTRY_DENIED' });
    expect(JSON.stringify(error, Object.getOwnPropertyNames(error))).not.toMatch(/secret|bWU6/);
    expect(registry.requests).toHaveLength(2);
  });
});

describe('token authorisation', () => {
  test('a token is fetched from the server that the challenge names, and kept', async () => {
    const registry = await registryWith({ kind: 'token' });
    using client = clientWith();
    await fetchManifest(client, app(registry), signal);
    await fetchManifest(client, app(registry), signal);
    expect(registry.tokens?.requests).toHaveLength(1);
    const [asked] = registry.tokens?.requests ?? [];
    expect(asked?.authorization).toBeUndefined();
    expect(asked?.parameters.get('service')).toBe('rig');
    expect(asked?.parameters.getAll('scope')).toEqual(['repository:team/app:pull']);
  });

  test('another repository gets a token of its own', async () => {
    const registry = await registryWith({ kind: 'token' });
    using client = clientWith();
    await fetchManifest(client, app(registry), signal);
    await fetchManifest(client, app(registry, 'team/other'), signal);
    expect(registry.tokens?.requests.map((asked) => asked.parameters.getAll('scope'))).toEqual([
      ['repository:team/app:pull'],
      ['repository:team/other:pull'],
    ]);
    expect(registry.requests.map((seen) => seen.path)).toHaveLength(3);
  });

  test('requests at the same time share one token', async () => {
    const registry = await registryWith({ kind: 'token' });
    using client = clientWith();
    await fetchManifest(client, app(registry), signal);
    registry.tokens?.revokeAll();
    await Promise.all(Array.from({ length: 6 }, () => fetchManifest(client, app(registry), signal)));
    expect(registry.tokens?.requests.length).toBeLessThanOrEqual(3);
  });

  test('a token that ended is replaced', async () => {
    const registry = await registryWith({ kind: 'token' });
    using client = clientWith();
    await fetchManifest(client, app(registry), signal);
    registry.tokens?.revokeAll();
    await fetchManifest(client, app(registry), signal);
    expect(registry.tokens?.requests).toHaveLength(2);
  });

  test('a user and a password go to the token server, the registry gets the token alone', async () => {
    const registry = await registryWith({ kind: 'token', user: 'me', password: 'secret' });
    using client = clientWith(ME);
    await fetchManifest(client, app(registry), signal);
    expect(registry.tokens?.requests[0]?.authorization).toMatch(/^Basic /);
    expect(registry.requests.map((seen) => seen.authorization?.split(' ')[0])).toEqual([undefined, 'Bearer']);
  });

  test('an identity token is exchanged by OAuth2, and never sent to the registry', async () => {
    const registry = await registryWith({ kind: 'token', user: 'x', refreshToken: 'refresh-me' });
    using client = clientWith({ kind: 'identity-token', token: 'refresh-me' });
    await fetchManifest(client, app(registry), signal);
    const [asked] = registry.tokens?.requests ?? [];
    expect(asked?.method).toBe('POST');
    expect(Object.fromEntries(asked?.parameters ?? [])).toMatchObject({
      grant_type: 'refresh_token',
      refresh_token: 'refresh-me',
      service: 'rig',
      scope: 'repository:team/app:pull',
    });
    expect(JSON.stringify(registry.requests)).not.toContain('refresh-me');
  });

  test('wrong credentials are SLIPWAY_REGISTRY_DENIED and name the token server', async () => {
    const registry = await registryWith({ kind: 'token', user: 'me', password: 'other' });
    using client = clientWith(ME);
    await expect(fetchManifest(client, app(registry), signal)).rejects.toMatchObject({
      code: 'SLIPWAY_REGISTRY_DENIED',
      message: expect.stringContaining("answered 401 to a request with the credentials of docker's config.json"),
    });
  });

  test('a token that the registry never accepts ends in SLIPWAY_REGISTRY_DENIED', async () => {
    const registry = await registryWith({ kind: 'token' });
    const challenge = `Bearer realm="${registry.tokens?.url}",service="rig"`;
    registry.intercept(/manifests/, respond(401, { 'www-authenticate': challenge }));
    using client = clientWith();
    await expect(fetchManifest(client, app(registry), signal)).rejects.toMatchObject({
      code: 'SLIPWAY_REGISTRY_DENIED',
    });
    expect(registry.requests).toHaveLength(3);
  });

  test('a credential helper that does not work is told only where the registry refuses', async () => {
    const broken = new SlipwayError('SLIPWAY_CREDENTIALS_UNAVAILABLE', 'docker-credential-x is not installed', {
      hint: 'install it',
    });
    const credentials = async () => {
      throw broken;
    };
    const open = await registryWith({ kind: 'token' });
    using anonymous = testClient({ credentials });
    await fetchManifest(anonymous, app(open), signal);
    const closed = await registryWith({ kind: 'token', user: 'me', password: 'secret' });
    await expect(fetchManifest(anonymous, app(closed), signal)).rejects.toMatchObject({
      code: 'SLIPWAY_REGISTRY_DENIED',
      message: expect.stringContaining('docker-credential-x is not installed'),
      hint: 'install it',
    });
  });
});

describe('a challenge that makes no sense', () => {
  const cases: readonly (readonly [what: string, challenge: string, message: string])[] = [
    ['no realm', 'Bearer service="x"', 'without saying where to get one'],
    ['a realm that is no URL', 'Bearer realm="not a url"', 'without saying where to get one'],
    ['a realm of another scheme', 'Bearer realm="file:///etc/passwd"', 'not http or https'],
    ['a realm with credentials', 'Bearer realm="http://a:b@127.0.0.1/"', 'credentials in the URL'],
    ['an unknown scheme', 'Kerberos', 'answered 401'],
  ];
  test.each(cases)('%s', async (_what, challenge, message) => {
    const registry = await registryWith({ kind: 'token' });
    registry.intercept(/manifests/, respond(401, { 'www-authenticate': challenge }));
    using client = clientWith();
    await expect(fetchManifest(client, app(registry), signal)).rejects.toMatchObject({
      code: expect.stringMatching(/SLIPWAY_REGISTRY_(INVALID|DENIED)/),
      message: expect.stringContaining(message),
    });
  });

  test.each([
    ['no JSON', 'hello'],
    ['no token in it', '{}'],
    ['a token with a line break', '{"token":"a\\r\\nX-Evil: 1"}'],
    ['a token of another type', '{"token":{"a":1}}'],
    ['2 MB', `{"token":"${'x'.repeat(2e6)}"}`],
  ])('a token answer with %s', async (_what, answer) => {
    const fake = await startRegistry();
    started.push(fake);
    fake.intercept(/token/, respond(200, { 'content-type': 'application/json' }, answer));
    const registry = await registryWith({ kind: 'token' });
    registry.intercept(/manifests/, respond(401, { 'www-authenticate': `Bearer realm="http://${fake.host}/token"` }));
    using client = clientWith();
    await expect(fetchManifest(client, app(registry), signal)).rejects.toMatchObject({
      code: 'SLIPWAY_REGISTRY_INVALID',
      message: expect.stringContaining('gave no usable token'),
    });
  });

  test('a token server that is busy is asked again', async () => {
    const registry = await registryWith({ kind: 'token' });
    const fake = await startRegistry();
    started.push(fake);
    fake.intercept(/token/, respond(200, {}, '{"token":"t"}'));
    fake.intercept(/token/, respond(503), 2);
    registry.intercept(/manifests/, (request, response, next) => {
      if (request.headers.authorization === 'Bearer t')
        return void response.writeHead(200, { 'content-type': MEDIA.ociManifest }).end(image.manifestBytes);
      if (request.headers.authorization !== undefined) return next();
      response.writeHead(401, { 'www-authenticate': `Bearer realm="http://${fake.host}/token"` }).end();
    });
    using client = clientWith();
    expect((await fetchManifest(client, app(registry), signal)).digest).toBe(image.manifest.digest);
  });
});
