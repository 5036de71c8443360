import { existsSync, mkdirSync, renameSync, rmSync, utimesSync } from 'node:fs';
import { setTimeout } from 'node:timers/promises';
import { digestOfJson, hexOf } from '../../src/core/digest.ts';
import { errnoOf } from '../../src/core/errors.ts';
import type { Lease, Leases } from '../leases.ts';
import type { Store } from '../store.ts';
import { type GitClient, gitFailure } from './git-client.ts';
import type { GitRevision } from './git-source.ts';

/** How often a process looks whether another has finished with a repository, in milliseconds. */
const POLL = 50;

/** A bare repository of the store that keeps what was fetched from one remote. Disposing lets other processes have it. */
export interface GitMirror extends Disposable {
  readonly folder: string;
  /** Makes sure that the object and all that belongs to its one commit is there, and that a ref of its own keeps it. */
  fetch(revision: GitRevision): Promise<void>;
}

/** The ref that keeps an object in a mirror. */
export function keptRef(object: string): string {
  return `refs/slipway/${object}`;
}

/** Waits for the repository of the client's remote, which one process uses at a time, and makes it where there is none. */
export async function openGitMirror(
  client: GitClient,
  revision: GitRevision,
  { store, leases, signal }: { readonly store: Store; readonly leases: Leases; readonly signal: AbortSignal },
): Promise<GitMirror> {
  const format = revision.object.length === 64 ? 'sha256' : 'sha1';
  const name = hexOf(digestOfJson({ remote: client.remote.url, format }));
  const lease = await waitForLease(leases, name, signal);
  try {
    const folder = `${store.folder('git')}/${name}`;
    if (!existsSync(folder)) await makeMirror(client, { folder, temporary: store.temporaryPath(), format });
    // The time of its last use, for prune.
    const now = new Date();
    utimesSync(folder, now, now);
    return {
      folder,
      fetch: (wanted) => fetchObject(client, folder, wanted),
      [Symbol.dispose]: () => lease[Symbol.dispose](),
    };
  } catch (error) {
    lease[Symbol.dispose]();
    throw error;
  }
}

async function waitForLease(leases: Leases, name: string, signal: AbortSignal): Promise<Lease> {
  for (;;) {
    signal.throwIfAborted();
    const lease = leases.tryHold(`git:${name}`, 'exclusive');
    if (lease !== undefined) return lease;
    await setTimeout(POLL, undefined, { signal });
  }
}

interface NewMirror {
  readonly folder: string;
  readonly temporary: string;
  readonly format: 'sha1' | 'sha256';
}

async function makeMirror(client: GitClient, { folder, temporary, format }: NewMirror): Promise<void> {
  mkdirSync(temporary, { recursive: true, mode: 0o700 });
  const objectFormat = format === 'sha256' ? ['--object-format=sha256'] : [];
  await client.run(temporary, ['init', '--quiet', '--bare', '--template=', ...objectFormat, '.'], {
    what: 'make a repository for what is fetched',
  });
  try {
    renameSync(temporary, folder);
  } catch (error) {
    if (errnoOf(error) !== 'ENOTEMPTY' && errnoOf(error) !== 'EEXIST') throw error;
    rmSync(temporary, { recursive: true });
  }
}

/** The object alone, without history; where the server gives no single objects, all of its branches and tags. */
async function fetchObject(client: GitClient, folder: string, { object, ref }: GitRevision): Promise<void> {
  const kept = ['rev-parse', '--quiet', '--verify', `${keptRef(object)}^{}`];
  if ((await client.attempt(folder, kept)).isSuccess) return;
  // A process that was killed while it fetched left it; the lease says that no other is fetching.
  rmSync(`${folder}/shallow.lock`, { force: true });
  const { url } = client.remote;
  const quiet = ['fetch', '--quiet', '--no-tags', '--no-write-fetch-head', '--no-auto-maintenance'];
  const alone = await client.attempt(folder, [...quiet, '--depth=1', '--', url, `+${object}:${keptRef(object)}`]);
  if (alone.isSuccess) return;
  const refs = ref === undefined || ref.startsWith('refs/heads/') || ref.startsWith('refs/tags/') ? [] : [ref];
  const all = [...refs.map((one) => `+${one}:refs/slipway/other`), '+refs/heads/*:refs/slipway/heads/*'];
  const unshallow = existsSync(`${folder}/shallow`) ? ['--unshallow'] : [];
  const whole = [...quiet, ...unshallow, '--', url, ...all, '+refs/tags/*:refs/slipway/tags/*'];
  const result = await client.attempt(folder, whole);
  if (!(await client.attempt(folder, ['cat-file', '-e', `${object}^{tree}`])).isSuccess) {
    const { stderr } = result.isSuccess ? alone : result;
    throw gitFailure(client.remote, `fetch ${object}`, { stderr, isAuthorized: client.isAuthorized });
  }
  await client.run(folder, ['update-ref', '--no-deref', keptRef(object), object], { what: `keep ${object}` });
}
