import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { askCredentialHelper } from '../../src/registry/credential-helper.ts';
import { dockerCredentials } from '../../src/registry/docker-config.ts';

const signal = new AbortController().signal;
let folder: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'slipway-config-'));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

function credentials(config: unknown, domain: string) {
  writeFileSync(join(folder, 'config.json'), typeof config === 'string' ? config : JSON.stringify(config));
  return dockerCredentials({ DOCKER_CONFIG: folder, PATH: `${folder}:/usr/bin:/bin` })(domain, signal);
}

function helper(name: string, script: string): void {
  writeFileSync(join(folder, `docker-credential-${name}`), `#!/bin/sh\n${script}\n`);
  chmodSync(join(folder, `docker-credential-${name}`), 0o755);
}

const auth = (text: string) => Buffer.from(text).toString('base64');

describe('auths', () => {
  test('a user and a password in base64; the password may have colons', async () => {
    const config = { auths: { 'reg.example.com': { auth: auth('me:pass:word') } } };
    expect(await credentials(config, 'reg.example.com')).toEqual({
      kind: 'password',
      user: 'me',
      password: 'pass:word',
    });
  });

  test('Docker Hub is kept under its old URL', async () => {
    const config = { auths: { 'https://index.docker.io/v1/': { auth: auth('hub:x') } } };
    expect(await credentials(config, 'docker.io')).toEqual({ kind: 'password', user: 'hub', password: 'x' });
  });

  test('keys may be URLs of the host', async () => {
    const config = { auths: { 'https://reg.example.com/v2/': { auth: auth('me:x') } } };
    expect(await credentials(config, 'reg.example.com')).toMatchObject({ user: 'me' });
  });

  test('another port is another registry', async () => {
    const config = { auths: { 'localhost:5000': { auth: auth('me:x') } } };
    expect(await credentials(config, 'localhost:5001')).toBeUndefined();
  });

  test('identity and registry tokens come before a password', async () => {
    const config = { auths: { a: { auth: auth('me:x'), identitytoken: 'refresh' }, b: { registrytoken: 'bearer' } } };
    expect(await credentials(config, 'a')).toEqual({ kind: 'identity-token', token: 'refresh' });
    expect(await credentials(config, 'b')).toEqual({ kind: 'registry-token', token: 'bearer' });
  });

  test('names of JavaScript objects are no registries', async () => {
    expect(await credentials({ auths: {} }, 'constructor')).toBeUndefined();
    expect(await credentials({ credHelpers: {} }, 'constructor')).toBeUndefined();
  });

  test('no file and no entry are no credentials', async () => {
    const find = dockerCredentials({ DOCKER_CONFIG: join(folder, 'nowhere') });
    expect(await find('reg.example.com', signal)).toBeUndefined();
    expect(await credentials({}, 'reg.example.com')).toBeUndefined();
    expect(await credentials({ auths: { 'reg.example.com': {} } }, 'reg.example.com')).toBeUndefined();
  });

  test.each([
    ['{', 'it is not JSON'],
    ['[]', 'it is not an object'],
    ['{"auths":[]}', '"auths" is not an object'],
    ['{"auths":{"r":{"auth":1}}}', '"auth" of r is not a string'],
    ['{"auths":{"r":{"auth":"bm9jb2xvbg=="}}}', '"auth" of r is not user:password in base64'],
    ['{"credHelpers":{"r":1}}', '"credHelpers" holds something that is not a string'],
  ])('a broken file is an error that names it: %s', async (text, message) => {
    await expect(credentials(text, 'r')).rejects.toMatchObject({
      code: 'SLIPWAY_CREDENTIALS_INVALID',
      message: expect.stringContaining(`config.json: ${message}`),
    });
  });
});

describe('credential helpers', () => {
  test('credHelpers is asked before credsStore, and gets the server on its input', async () => {
    helper('one', 'read server; echo "{\\"Username\\":\\"$1\\",\\"Secret\\":\\"$server\\"}"');
    const config = { credHelpers: { 'reg.example.com': 'one' }, credsStore: 'missing' };
    expect(await credentials(config, 'reg.example.com')).toEqual({
      kind: 'password',
      user: 'get',
      password: 'reg.example.com',
    });
  });

  test('the user <token> marks an identity token', async () => {
    helper('store', 'echo \'{"Username":"<token>","Secret":"refresh"}\'');
    expect(await credentials({ credsStore: 'store' }, 'r')).toEqual({ kind: 'identity-token', token: 'refresh' });
  });

  test('where the helper has nothing, auths is looked at', async () => {
    helper('store', 'echo "credentials not found in native keychain"; exit 1');
    const config = { credsStore: 'store', auths: { r: { auth: auth('me:x') } } };
    expect(await credentials(config, 'r')).toMatchObject({ user: 'me' });
  });

  const ask = (name: string, timeoutMs = 5000) =>
    askCredentialHelper(name, 'r', { env: { PATH: `${folder}:/usr/bin:/bin` }, signal, timeoutMs });

  test.each([
    ['fails', 'echo "no keychain"; exit 3', 'failed (no keychain)'],
    ['says nonsense', 'echo nonsense', 'answered no JSON'],
    ['says a number', 'echo \'{"Username":1,"Secret":"x"}\'', 'answered a Username that is no string'],
    ['says too much', 'yes | head -c 200000; sleep 60', 'wrote more than 65536 bytes'],
    ['says too much and leaves another behind', 'sleep 60 & yes | head -c 200000', 'wrote more than 65536 bytes'],
  ])('one that %s is an error', async (_what, script, message) => {
    helper('bad', script);
    await expect(ask('bad')).rejects.toMatchObject({
      code: 'SLIPWAY_CREDENTIALS_UNAVAILABLE',
      message: expect.stringContaining(message),
    });
  });

  test('one that hangs is ended', async () => {
    helper('slow', 'exec sleep 60');
    await expect(ask('slow', 200)).rejects.toMatchObject({ message: expect.stringContaining('did not answer within') });
  });

  test('one that is missing, and a name that is a path, are errors', async () => {
    await expect(ask('nowhere')).rejects.toMatchObject({ message: expect.stringContaining('is not installed') });
    await expect(ask('../../bin/sh')).rejects.toMatchObject({ message: expect.stringContaining('is no name') });
  });
});
