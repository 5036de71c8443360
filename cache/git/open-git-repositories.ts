import { mkdirSync } from 'node:fs';
import { SlipwayError } from '../../src/core/errors.ts';
import type { Leases } from '../leases.ts';
import type { Store } from '../store.ts';
import { checkOut } from './check-out.ts';
import { createGitClient, type GitClient } from './git-client.ts';
import { openGitMirror } from './git-mirror.ts';
import { type GitRemote, parseGitRemote } from './git-remote.ts';
import type { GitOutput, GitRepositories, GitSource } from './git-source.ts';
import { resolveRevision } from './resolve-revision.ts';

/** What repositories are opened with. */
export interface GitServices {
  readonly store: Store;
  readonly leases: Leases;
  /** Of this process: PATH, HOME and the proxies are taken from it. */
  readonly env: Readonly<Record<string, string | undefined>>;
  /** The user's secrets, of which `GIT_AUTH_HEADER` and `GIT_AUTH_TOKEN` are used, with `.HOST` behind them for one host. */
  secret(id: string): Uint8Array | undefined;
  /** The agent that the user lends; disposed after use. */
  sshAgent(id: string): Promise<({ readonly socket: string } & AsyncDisposable) | undefined>;
}

interface RunOptions {
  readonly signal: AbortSignal;
  readonly onOutput?: GitOutput;
}

/** The remote repositories that a store has mirrors of, and may have of any other. */
export function openGitRepositories(services: GitServices): GitRepositories {
  return {
    resolve: (source, options) =>
      withClient(services, source, options, async (client) => {
        const folder = services.store.temporaryPath();
        mkdirSync(folder, { recursive: true, mode: 0o700 });
        return resolveRevision(source, client, folder);
      }),
    checkOut: (source, revision, options) =>
      withClient(services, source, options, async (client) => {
        const { store, leases } = services;
        using mirror = await openGitMirror(client, revision, { store, leases, signal: options.signal });
        await mirror.fetch(revision);
        return checkOut(source, revision, { mirror: mirror.folder, folder: store.temporaryPath(), client });
      }),
  };
}

async function withClient<Result>(
  services: GitServices,
  source: GitSource,
  options: RunOptions,
  use: (client: GitClient) => Promise<Result>,
): Promise<Result> {
  const remote = parseGitRemote(source.url);
  await using agent = remote.transport === 'ssh' ? await services.sshAgent('default') : undefined;
  const authorization = authorizationFor(remote, services);
  const home = services.env.HOME;
  const access = {
    env: services.env,
    knownHosts: [
      `${services.store.folder('git')}/known_hosts`,
      ...(home === undefined || /["\n]/.test(home) ? [] : [`${home}/.ssh/known_hosts`]),
    ],
    ...(authorization === undefined ? {} : { authorization }),
    ...(agent === undefined ? {} : { sshSocket: agent.socket }),
  };
  return await use(createGitClient(remote, access, options));
}

/** From the URL, or else from the secrets, in BuildKit's order; none for ssh and git. */
function authorizationFor({ transport, host, authorization }: GitRemote, { secret }: GitServices): string | undefined {
  if (transport !== 'http' || authorization !== undefined) return authorization;
  for (const suffix of [`.${host}`, '']) {
    const header = secret(`GIT_AUTH_HEADER${suffix}`);
    if (header !== undefined) return checkHeader(Buffer.from(header).toString().trim(), `GIT_AUTH_HEADER${suffix}`);
    const token = secret(`GIT_AUTH_TOKEN${suffix}`);
    if (token === undefined) continue;
    const login = `x-access-token:${Buffer.from(token).toString().trim()}`;
    return `Basic ${Buffer.from(login).toString('base64')}`;
  }
  return undefined;
}

function checkHeader(header: string, id: string): string {
  if (!/[\u0000-\u001f\u007f]/.test(header)) return header;
  throw new SlipwayError(
    'SLIPWAY_SECRET_INVALID',
    `the secret ${id} is no value of a header: it has control characters`,
  );
}
