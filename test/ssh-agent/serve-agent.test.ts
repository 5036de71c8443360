import { spawnSync } from 'node:child_process';
import { createPublicKey, generateKeyPairSync, type KeyObject, verify } from 'node:crypto';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { framed, messageCutter } from '../../src/ssh-agent/agent-protocol.ts';
import { parsePrivateKey } from '../../src/ssh-agent/private-key.ts';
import { type Signer, serveAgent } from '../../src/ssh-agent/serve-agent.ts';
import { sshString, uint32, WireReader } from '../../src/ssh-agent/wire.ts';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(`${tmpdir()}/slipway-agent-`);
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const hasKeygen = spawnSync('ssh-keygen', ['-?']).error === undefined;
if (!hasKeygen) console.warn('SKIPPED: keys in the format of OpenSSH: ssh-keygen is not installed (openssh-client)');

const REQUEST_IDENTITIES = Uint8Array.of(11);
const FAILURE = Buffer.of(5);
const DATA = Buffer.from('what is signed');

/** Sends messages over one connection and takes as many answers. */
async function ask(signer: Signer, messages: readonly Uint8Array[]): Promise<readonly Buffer[]> {
  await using agent = await serveAgent(signer, `${folder}/agent-${Math.random()}`);
  return await askSocket(agent.socket, messages);
}

async function askSocket(path: string, messages: readonly Uint8Array[]): Promise<readonly Buffer[]> {
  const socket = connect(path);
  await once(socket, 'connect');
  const answers: Buffer[] = [];
  const cut = messageCutter();
  const all = new Promise<void>((resolve) => {
    socket.on('data', (data) => {
      answers.push(...cut(data));
      if (answers.length >= messages.length) resolve();
    });
    socket.on('close', () => resolve());
  });
  socket.write(Buffer.concat(messages.map(framed)));
  await all;
  socket.destroy();
  return answers;
}

function signRequest(blob: Uint8Array, flags = 0): Buffer {
  return Buffer.concat([Buffer.of(13), sshString(blob), sshString(DATA), uint32(flags)]);
}

function readIdentities(message: Buffer | undefined): Buffer[] {
  const reader = new WireReader(message?.subarray(1) ?? Buffer.alloc(0));
  return Array.from({ length: reader.uint32() }, () => {
    const blob = reader.string();
    expect(reader.text()).toBe('');
    return blob;
  });
}

function readSignature(message: Buffer | undefined): { readonly type: string; readonly bytes: Buffer } {
  expect(message?.[0]).toBe(14);
  const outer = new WireReader(message?.subarray(1) ?? Buffer.alloc(0));
  const reader = new WireReader(outer.string());
  return { type: reader.text(), bytes: reader.string() };
}

/** r and s as numbers of a fixed length, as node:crypto takes them. */
function ecdsaNumbers(bytes: Buffer, size: number): Buffer {
  const reader = new WireReader(bytes);
  const fixed = (number: Buffer) => Buffer.concat([Buffer.alloc(size), number]).subarray(-size);
  return Buffer.concat([fixed(reader.string()), fixed(reader.string())]);
}

const KEYS = [
  { name: 'ed25519', generate: () => generateKeyPairSync('ed25519'), keygen: ['-t', 'ed25519'] },
  {
    name: 'rsa',
    generate: () => generateKeyPairSync('rsa', { modulusLength: 2048 }),
    keygen: ['-t', 'rsa', '-b', '2048'],
  },
  {
    name: 'p256',
    generate: () => generateKeyPairSync('ec', { namedCurve: 'P-256' }),
    keygen: ['-t', 'ecdsa', '-b', '256'],
  },
  {
    name: 'p384',
    generate: () => generateKeyPairSync('ec', { namedCurve: 'P-384' }),
    keygen: ['-t', 'ecdsa', '-b', '384'],
  },
  {
    name: 'p521',
    generate: () => generateKeyPairSync('ec', { namedCurve: 'P-521' }),
    keygen: ['-t', 'ecdsa', '-b', '521'],
  },
] as const;

async function expectGoodSignatures(text: string, publicKey: KeyObject): Promise<void> {
  const keys = [parsePrivateKey(text, 'the key')];
  const blob = keys[0]?.blob ?? Buffer.alloc(0);
  const requests =
    publicKey.asymmetricKeyType === 'rsa'
      ? [signRequest(blob), signRequest(blob, 2), signRequest(blob, 4)]
      : [signRequest(blob)];
  const [list, ...signatures] = await ask({ keys }, [REQUEST_IDENTITIES, ...requests]);
  expect(readIdentities(list)).toEqual([blob]);
  const types = signatures.map((answer) => {
    const { type, bytes } = readSignature(answer);
    const size = { 'ecdsa-sha2-nistp256': 32, 'ecdsa-sha2-nistp384': 48, 'ecdsa-sha2-nistp521': 66 }[type];
    const hash =
      {
        'ssh-rsa': 'sha1',
        'rsa-sha2-256': 'sha256',
        'rsa-sha2-512': 'sha512',
        'ecdsa-sha2-nistp256': 'sha256',
        'ecdsa-sha2-nistp384': 'sha384',
        'ecdsa-sha2-nistp521': 'sha512',
      }[type] ?? null;
    const signature = size === undefined ? bytes : ecdsaNumbers(bytes, size);
    expect(verify(hash, DATA, { key: publicKey, dsaEncoding: 'ieee-p1363' }, signature)).toBe(true);
    return type;
  });
  if (publicKey.asymmetricKeyType === 'rsa') expect(types).toEqual(['ssh-rsa', 'rsa-sha2-256', 'rsa-sha2-512']);
}

describe('the agent of key files', () => {
  it.each(KEYS)('lists and signs with a PEM key: $name', async ({ generate }) => {
    const { privateKey, publicKey } = generate() as { privateKey: KeyObject; publicKey: KeyObject };
    await expectGoodSignatures(privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(), publicKey);
  });

  it.skipIf(!hasKeygen).each(KEYS)('lists and signs with a key of ssh-keygen: $name', async ({ keygen }) => {
    spawnSync('ssh-keygen', ['-q', '-N', '', '-C', 'a comment', '-f', `${folder}/key`, ...keygen]);
    const text = readFileSync(`${folder}/key`, 'latin1');
    const [, publicBlob = ''] = readFileSync(`${folder}/key.pub`, 'utf8').split(' ');
    const key = parsePrivateKey(text, 'the key');
    expect(key.blob.toString('base64')).toBe(publicBlob);
    const pem = spawnSync('ssh-keygen', ['-e', '-m', 'PKCS8', '-f', `${folder}/key.pub`], { encoding: 'utf8' });
    // ssh-keygen writes ed25519 in no format of others; that its blob is the same was just seen.
    const jwk = { kty: 'OKP', crv: 'Ed25519', x: key.blob.subarray(-32).toString('base64url') };
    await expectGoodSignatures(
      text,
      pem.status === 0 ? createPublicKey(pem.stdout) : createPublicKey({ key: jwk, format: 'jwk' }),
    );
  });

  it.skipIf(!hasKeygen)('says that an encrypted key of ssh-keygen needs an agent', () => {
    spawnSync('ssh-keygen', ['-q', '-t', 'ed25519', '-N', 'passphrase', '-f', `${folder}/key`]);
    expect(() => parsePrivateKey(readFileSync(`${folder}/key`, 'latin1'), 'the key k')).toThrow(
      expect.objectContaining({ code: 'SLIPWAY_SSH_KEY_ENCRYPTED' }),
    );
  });

  it('says that an encrypted PEM key needs an agent, and that other files are no keys', () => {
    const { privateKey } = generateKeyPairSync('ed25519');
    const pem = privateKey.export({ type: 'pkcs8', format: 'pem', cipher: 'aes-256-cbc', passphrase: 'x' }).toString();
    expect(() => parsePrivateKey(pem, 'k')).toThrow(expect.objectContaining({ code: 'SLIPWAY_SSH_KEY_ENCRYPTED' }));
    const cut = '-----BEGIN OPENSSH PRIVATE KEY-----\nb3BlbnNzaC1rZXktdjEA\n-----END OPENSSH PRIVATE KEY-----\n';
    for (const text of ['', 'ssh-ed25519 AAAA', cut, pem.replaceAll('ENCRYPTED ', '')])
      expect(() => parsePrivateKey(text, 'k')).toThrow(expect.objectContaining({ code: 'SLIPWAY_SSH_KEY_INVALID' }));
  });

  it('refuses everything that would change an agent, and what it does not know', async () => {
    const { privateKey } = generateKeyPairSync('ed25519');
    const keys = [parsePrivateKey(privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(), 'k')];
    const strange = signRequest(Buffer.from('another key'));
    const others = [17, 18, 19, 20, 21, 22, 23, 25, 26, 27, 1, 0, 255].map((type) => Buffer.of(type, 0, 0, 0, 0));
    const answers = await ask({ keys }, [...others, strange, Buffer.of(13, 0, 0), Buffer.alloc(0), REQUEST_IDENTITIES]);
    expect(answers.slice(0, -1).every((answer) => answer.equals(FAILURE))).toBe(true);
    expect(readIdentities(answers.at(-1))).toHaveLength(1);
  });

  it('ends a connection that announces a message longer than any', async () => {
    await using agent = await serveAgent({ keys: [] }, `${folder}/agent`);
    const socket = connect(agent.socket);
    socket.write(uint32(0xffffffff));
    socket.resume();
    await once(socket, 'close');
  });

  it('ends a connection on which much is asked and nothing is read', async () => {
    await using agent = await serveAgent({ keys: [] }, `${folder}/agent`);
    const socket = connect(agent.socket);
    socket.on('error', () => {});
    const closed = new Promise<void>((resolve) => socket.once('close', () => resolve()));
    const many = Buffer.concat(Array.from({ length: 10_000 }, () => framed(REQUEST_IDENTITIES)));
    for (let sent = 0; sent < 200 && socket.writable; sent++)
      await new Promise((resolve) => socket.write(many, resolve));
    expect(socket.bytesWritten).toBeLessThan(200 * many.length);
    await closed;
  });

  it('leaves nothing behind', async () => {
    await (await serveAgent({ keys: [] }, `${folder}/agent`))[Symbol.asyncDispose]();
    expect(existsSync(`${folder}/agent`)).toBe(false);
  });
});

describe('the agent in front of the user’s own', () => {
  it('passes on lists and signatures, refuses the rest itself, and keeps the order', async () => {
    const { privateKey } = generateKeyPairSync('ed25519');
    const keys = [parsePrivateKey(privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(), 'k')];
    await using own = await serveAgent({ keys }, `${folder}/own`);
    const removeAll = Buffer.of(19);
    const request = signRequest(keys[0]?.blob ?? Buffer.alloc(0));
    const answers = await ask({ socket: own.socket }, [removeAll, REQUEST_IDENTITIES, removeAll, request, removeAll]);
    expect(answers.map((answer) => answer[0])).toEqual([5, 12, 5, 14, 5]);
  });
});
