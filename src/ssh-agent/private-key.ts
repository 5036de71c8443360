import { createPrivateKey, createPublicKey, type JsonWebKey, type KeyObject, sign } from 'node:crypto';
import { SlipwayError } from '../core/errors.ts';
import { KeyFormatError, readOpenSshKey } from './openssh-key.ts';
import { mpint, sshString } from './wire.ts';

/** A key that an agent signs with. */
export interface SshKey {
  /** The public key as SSH writes it (RFC 4253, section 6.6). */
  readonly blob: Buffer;
  /** A signature blob. `flags` as in SSH_AGENTC_SIGN_REQUEST: which hash an RSA key signs with. */
  sign(data: Uint8Array, flags: number): Buffer;
}

const SSH_AGENT_RSA_SHA2_256 = 2;
const SSH_AGENT_RSA_SHA2_512 = 4;

/** JSON Web Key's name of a curve, SSH's, and the hash that goes with it (RFC 5656, section 6.2.1). */
const CURVES = {
  'P-256': { name: 'nistp256', hash: 'sha256' },
  'P-384': { name: 'nistp384', hash: 'sha384' },
  'P-521': { name: 'nistp521', hash: 'sha512' },
} as const;

/**
 * A private key from the text of its file: OpenSSH's own format or PEM (PKCS#1, PKCS#8, SEC 1); ed25519, rsa or ecdsa. `description` says
 * in messages which it is. `SLIPWAY_SSH_KEY_ENCRYPTED`, `SLIPWAY_SSH_KEY_INVALID`.
 */
export function parsePrivateKey(text: string, description: string): SshKey {
  try {
    return sshKey(text.includes('BEGIN OPENSSH PRIVATE KEY') ? readOpenSshKey(text) : readPemKey(text));
  } catch (error) {
    throw keyError(error, description);
  }
}

function readPemKey(text: string): KeyObject {
  try {
    return createPrivateKey(text);
  } catch (error) {
    if (/ENCRYPTED/.test(text)) throw new KeyFormatError('encrypted', 'it is encrypted');
    throw error;
  }
}

/** What OpenSSL says of a key's inside is not repeated. */
function keyError(error: unknown, description: string): SlipwayError {
  if (error instanceof KeyFormatError && error.problem === 'encrypted')
    return new SlipwayError('SLIPWAY_SSH_KEY_ENCRYPTED', `${description} cannot be used: ${error.message}`, {
      hint: 'add it to an agent, which asks for the passphrase (ssh-add FILE), and give the agent: --ssh ID',
    });
  const why = error instanceof KeyFormatError ? error.message : 'it is no private key in OpenSSH or PEM format';
  return new SlipwayError('SLIPWAY_SSH_KEY_INVALID', `${description} cannot be used: ${why}`);
}

function sshKey(key: KeyObject): SshKey {
  const { kty, crv, x = '', y = '', n = '', e = '' }: JsonWebKey = createPublicKey(key).export({ format: 'jwk' });
  const bytes = (field: string) => Buffer.from(field, 'base64url');
  if (kty === 'OKP' && crv === 'Ed25519') {
    const type = sshString('ssh-ed25519');
    const blob = Buffer.concat([type, sshString(bytes(x))]);
    return { blob, sign: (data) => Buffer.concat([type, sshString(sign(null, data, key))]) };
  }
  if (kty === 'RSA') {
    const blob = Buffer.concat([sshString('ssh-rsa'), mpint(bytes(e)), mpint(bytes(n))]);
    return { blob, sign: (data, flags) => signWithRsa(key, data, flags) };
  }
  const curve = kty === 'EC' && crv !== undefined && crv in CURVES ? CURVES[crv as keyof typeof CURVES] : undefined;
  if (curve === undefined)
    throw new KeyFormatError('invalid', `keys of type ${crv ?? kty} cannot be used, only ed25519, rsa and ecdsa`);
  const type = sshString(`ecdsa-sha2-${curve.name}`);
  const point = Buffer.concat([Buffer.from([4]), bytes(x), bytes(y)]);
  return {
    blob: Buffer.concat([type, sshString(curve.name), sshString(point)]),
    sign: (data) => {
      const numbers = sign(curve.hash, data, { key, dsaEncoding: 'ieee-p1363' });
      const half = numbers.length / 2;
      const signature = Buffer.concat([mpint(numbers.subarray(0, half)), mpint(numbers.subarray(half))]);
      return Buffer.concat([type, sshString(signature)]);
    },
  };
}

function signWithRsa(key: KeyObject, data: Uint8Array, flags: number): Buffer {
  const [type, hash] =
    (flags & SSH_AGENT_RSA_SHA2_512) !== 0
      ? ['rsa-sha2-512', 'sha512']
      : (flags & SSH_AGENT_RSA_SHA2_256) !== 0
        ? ['rsa-sha2-256', 'sha256']
        : ['ssh-rsa', 'sha1'];
  return Buffer.concat([sshString(type), sshString(sign(hash, data, key))]);
}
