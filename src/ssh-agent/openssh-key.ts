import { createPrivateKey, type JsonWebKey, type KeyObject } from 'node:crypto';
import { WireReader } from './wire.ts';

const MAGIC = 'openssh-key-v1\0';
const CURVES: Readonly<Record<string, string>> = { nistp256: 'P-256', nistp384: 'P-384', nistp521: 'P-521' };

/** Why a file is no key that can be used: `encrypted` where a passphrase is missing. */
export class KeyFormatError extends Error {
  readonly problem: 'encrypted' | 'invalid';

  constructor(problem: 'encrypted' | 'invalid', message: string) {
    super(message);
    this.problem = problem;
  }
}

/**
 * The key in a file of ssh-keygen (openssh-portable, PROTOCOL.key): the first one, of type ed25519, rsa or ecdsa. `KeyFormatError`, and
 * `RangeError` for a file that is cut off.
 */
export function readOpenSshKey(pem: string): KeyObject {
  const base64 = /-----BEGIN OPENSSH PRIVATE KEY-----([\s\S]*?)-----END OPENSSH PRIVATE KEY-----/.exec(pem)?.[1];
  const reader = new WireReader(Buffer.from(base64 ?? '', 'base64'));
  if (reader.take(MAGIC.length).toString('latin1') !== MAGIC)
    throw new KeyFormatError('invalid', 'it is no OpenSSH private key');
  const cipher = reader.text();
  if (cipher !== 'none') throw new KeyFormatError('encrypted', `it is encrypted with ${cipher}`);
  reader.text();
  reader.string();
  const count = reader.uint32();
  if (count !== 1) throw new KeyFormatError('invalid', `it holds ${count} keys, not one`);
  reader.string();
  return readPrivatePart(new WireReader(reader.string()));
}

function readPrivatePart(reader: WireReader): KeyObject {
  const [check, again] = [reader.uint32(), reader.uint32()];
  if (check !== again) throw new KeyFormatError('invalid', 'its check numbers differ');
  const type = reader.text();
  const jwk = privateJwk(type, reader);
  return createPrivateKey({ key: jwk, format: 'jwk' });
}

function privateJwk(type: string, reader: WireReader): JsonWebKey {
  if (type === 'ssh-ed25519') {
    const x = reader.string();
    return { kty: 'OKP', crv: 'Ed25519', x: base64url(x), d: base64url(reader.string().subarray(0, 32)) };
  }
  if (type === 'ssh-rsa') return rsaJwk(reader);
  if (type.startsWith('ecdsa-sha2-')) return ecdsaJwk(reader);
  throw new KeyFormatError('invalid', `keys of type ${type} cannot be used, only ed25519, rsa and ecdsa`);
}

function rsaJwk(reader: WireReader): JsonWebKey {
  const [n, e, d] = [reader.string(), reader.string(), reader.string()];
  const [qi, p, q] = [reader.string(), reader.string(), reader.string()];
  const number = (bytes: Buffer) => BigInt(`0x${bytes.toString('hex') || '0'}`);
  const remainder = (prime: Buffer) => unsigned(toBytes(number(d) % (number(prime) - 1n)));
  return {
    kty: 'RSA',
    ...{ n: unsigned(n), e: unsigned(e), d: unsigned(d), p: unsigned(p), q: unsigned(q) },
    ...{ dp: remainder(p), dq: remainder(q), qi: unsigned(qi) },
  };
}

function ecdsaJwk(reader: WireReader): JsonWebKey {
  const curve = reader.text();
  const point = reader.string();
  const crv = CURVES[curve];
  if (crv === undefined || point[0] !== 4) throw new KeyFormatError('invalid', `the curve ${curve} cannot be used`);
  const size = (point.length - 1) / 2;
  const [x, y] = [point.subarray(1, 1 + size), point.subarray(1 + size)];
  const d = Buffer.from(unsigned(reader.string()), 'base64url');
  const padded = Buffer.concat([Buffer.alloc(Math.max(size - d.length, 0)), d]);
  return { kty: 'EC', crv, x: base64url(x), y: base64url(y), d: base64url(padded) };
}

function toBytes(value: bigint): Buffer {
  const hex = value.toString(16);
  return Buffer.from(hex.length % 2 === 0 ? hex : `0${hex}`, 'hex');
}

/** Without the zeros in front, as JSON Web Keys have their numbers. */
function unsigned(bytes: Buffer): string {
  let start = 0;
  while (start < bytes.length - 1 && bytes[start] === 0) start++;
  return base64url(bytes.subarray(start));
}

function base64url(bytes: Buffer): string {
  return bytes.toString('base64url');
}
