import { statSync } from 'node:fs';
import { resolve } from 'node:path';
import type { SshAgent } from '../solver/ops/services.ts';
import type { BuildRequest } from './build-request.ts';
import { errnoOf, SlipwayError } from './core/errors.ts';

/**
 * The agent behind `--ssh ID`: the socket it names, or the one of SSH_AUTH_SOCK where it names none. Undefined where the request has no
 * such id. `SLIPWAY_SSH_UNAVAILABLE`.
 */
export async function sshAgentOf({ ssh, env, cwd }: BuildRequest, id: string): Promise<SshAgent | undefined> {
  const spec = ssh.find((one) => one.id === id);
  if (spec === undefined) return undefined;
  const [path = env.SSH_AUTH_SOCK, ...more] = spec.paths;
  if (path === undefined || path === '')
    throw new SlipwayError('SLIPWAY_SSH_UNAVAILABLE', `--ssh ${id}: SSH_AUTH_SOCK names no agent`, {
      hint: `start one (eval "$(ssh-agent)"; ssh-add), or name its socket: --ssh ${id}=SOCKET`,
    });
  const socket = resolve(cwd, path);
  if (more.length > 0 || !isSocket(id, socket))
    throw new SlipwayError(
      'SLIPWAY_SSH_UNAVAILABLE',
      `--ssh ${id}: key files are not supported, only an agent's socket`,
      {
        hint: 'add the key to an agent with ssh-add, and name the agent',
      },
    );
  return { socket, [Symbol.asyncDispose]: async () => {} };
}

function isSocket(id: string, path: string): boolean {
  try {
    return statSync(path).isSocket();
  } catch (error) {
    throw new SlipwayError('SLIPWAY_SSH_UNAVAILABLE', `--ssh ${id}: ${path}: ${errnoOf(error) ?? String(error)}`, {
      cause: error,
    });
  }
}
