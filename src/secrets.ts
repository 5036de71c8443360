import { statSync } from 'node:fs';
import { resolve } from 'node:path';
import type { BuildRequest } from './build-request.ts';
import { errnoOf, SlipwayError } from './core/errors.ts';
import { readUpTo } from './core/read-up-to.ts';

/** BuildKit's limit (session/secrets: MaxSecretSize). */
const LIMIT_BYTES = 500 * 1024;

/**
 * The bytes of a secret as they are now; undefined where the request has none of that id, or its variable is not set.
 * `SLIPWAY_SECRET_UNREADABLE`, `SLIPWAY_SECRET_TOO_LARGE`.
 */
export function readSecret({ secrets, cwd, env }: BuildRequest, id: string): Uint8Array | undefined {
  const secret = secrets.find((one) => one.id === id);
  if (secret === undefined) return undefined;
  if ('env' in secret.source) {
    const value = env[secret.source.env];
    return value === undefined ? undefined : checkSize(id, Buffer.from(value));
  }
  return readFile(id, resolve(cwd, secret.source.file));
}

/** Fails for secrets whose files cannot be read, before anything is built. */
export function checkSecrets(request: BuildRequest): void {
  for (const { id, source } of request.secrets) {
    if ('env' in source) continue;
    const path = resolve(request.cwd, source.file);
    try {
      const stat = statSync(path);
      if (!stat.isDirectory()) continue;
    } catch (error) {
      throw unreadable(id, path, error);
    }
    throw unreadable(id, path, new Error('it is a folder'));
  }
}

function readFile(id: string, path: string): Uint8Array {
  let bytes: Uint8Array | undefined;
  try {
    bytes = readUpTo(path, LIMIT_BYTES);
  } catch (error) {
    throw unreadable(id, path, error);
  }
  if (bytes === undefined) throw tooLarge(id);
  return bytes;
}

function unreadable(id: string, path: string, cause: unknown): SlipwayError {
  const why = errnoOf(cause) ?? (cause instanceof Error ? cause.message : String(cause));
  return new SlipwayError('SLIPWAY_SECRET_UNREADABLE', `secret ${id}: ${path} cannot be read: ${why}`, { cause });
}

function checkSize(id: string, bytes: Buffer): Uint8Array {
  if (bytes.length <= LIMIT_BYTES) return bytes;
  throw tooLarge(id);
}

function tooLarge(id: string): SlipwayError {
  return new SlipwayError('SLIPWAY_SECRET_TOO_LARGE', `secret ${id} has more than the ${LIMIT_BYTES} bytes allowed`);
}
