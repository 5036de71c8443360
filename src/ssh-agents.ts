import { readFileSync, type Stats, statSync } from 'node:fs';
import { resolve } from 'node:path';
import type { SshAgent } from '../solver/ops/services.ts';
import type { BuildRequest } from './build-request.ts';
import { errnoOf, SlipwayError } from './core/errors.ts';
import type { Signer } from './ssh-agent/serve-agent.ts';

/** As BuildKit: the files of keys are small. */
const KEY_LIMIT_BYTES = 100 * 1024;

/**
 * The agent behind `--ssh ID`: the socket or the key files that it names, or the socket of SSH_AUTH_SOCK where it names none. Undefined where
 * the request has no such id. Either way it is served by slipway, in the new folder that `newFolder` names, so that steps can list keys and
 * sign, and nothing else. `SLIPWAY_SSH_UNAVAILABLE`, `SLIPWAY_SSH_KEY_ENCRYPTED`, `SLIPWAY_SSH_KEY_INVALID`.
 */
export async function sshAgentOf(
  { ssh, env, cwd }: BuildRequest,
  id: string,
  newFolder: () => string,
): Promise<SshAgent | undefined> {
  const spec = ssh.find((one) => one.id === id);
  if (spec === undefined) return undefined;
  const given =
    spec.paths.length > 0 ? spec.paths : [env.SSH_AUTH_SOCK].filter((path) => path !== undefined && path !== '');
  if (given.length === 0)
    throw new SlipwayError('SLIPWAY_SSH_UNAVAILABLE', `--ssh ${id}: SSH_AUTH_SOCK names no agent`, {
      hint: `start one (eval "$(ssh-agent)"; ssh-add), or name its socket or a key: --ssh ${id}=FILE`,
    });
  const paths = given.map((path) => resolve(cwd, path ?? ''));
  const { serveAgent } = await import('./ssh-agent/serve-agent.ts');
  return await serveAgent(await signerOf(id, paths), newFolder());
}

async function signerOf(id: string, paths: readonly string[]): Promise<Signer> {
  const files = paths.map((path) => ({ path, stat: statOf(id, path) }));
  const socket = files.find(({ stat }) => stat.isSocket());
  if (socket !== undefined) {
    if (files.length === 1) return { socket: socket.path };
    throw new SlipwayError('SLIPWAY_SSH_UNAVAILABLE', `--ssh ${id}: an agent's socket cannot stand beside other files`);
  }
  const { parsePrivateKey } = await import('./ssh-agent/private-key.ts');
  return { keys: files.map((file) => parsePrivateKey(readKey(id, file), `--ssh ${id}: the key ${file.path}`)) };
}

function readKey(id: string, { path, stat }: { readonly path: string; readonly stat: Stats }): string {
  if (!stat.isFile() || stat.size > KEY_LIMIT_BYTES)
    throw new SlipwayError('SLIPWAY_SSH_UNAVAILABLE', `--ssh ${id}: ${path} is neither a socket nor a key file`);
  return attempt(id, path, () => readFileSync(path, 'latin1'));
}

function statOf(id: string, path: string): Stats {
  return attempt(id, path, () => statSync(path));
}

function attempt<T>(id: string, path: string, read: () => T): T {
  try {
    return read();
  } catch (error) {
    throw new SlipwayError('SLIPWAY_SSH_UNAVAILABLE', `--ssh ${id}: ${path}: ${errnoOf(error) ?? String(error)}`, {
      cause: error,
    });
  }
}
