import { lstatSync, mkdirSync, rmSync } from 'node:fs';
import { pathToFileURL } from 'node:url';
import { hostPath, toBytePath } from '../../src/core/byte-path.ts';
import { SlipwayError } from '../../src/core/errors.ts';
import type { GitClient } from './git-client.ts';
import { keptRef } from './git-mirror.ts';
import type { GitRevision, GitSource } from './git-source.ts';
import { removeGitFiles, setModes, setTimes } from './work-tree.ts';

/** Where a revision is taken from and put. */
export interface CheckOutPlaces {
  /** The bare repository that has it. */
  readonly mirror: string;
  /** A folder that does not exist yet; nothing else is written. */
  readonly folder: string;
}

/**
 * Writes the files of a revision, and those of its submodules, and returns the folder that was asked for: `folder`, or one in it.
 * Modes are those that git knows (0644 and 0755), whatever this process's umask is.
 */
export async function checkOut(
  source: GitSource,
  revision: GitRevision,
  { mirror, folder, client }: CheckOutPlaces & { readonly client: GitClient },
): Promise<string> {
  const { keepGitDir, submodules, subdir } = source;
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const { object } = revision;
  const isKept = keepGitDir && subdir === undefined;
  const withSubmodules = submodules && (await hasSubmodules(client, mirror, object));
  if (isKept || withSubmodules) {
    await cloneMirror(client, revision, { mirror, folder });
    if (withSubmodules) await updateSubmodules(client, folder);
    if (isKept) await forgetLogs(client, folder);
    else removeGitFiles(toBytePath(folder));
  } else await writeFiles(client, object, { mirror, folder });

  const wanted = subdir === undefined ? folder : resolveSubdir(folder, subdir, client);
  setModes(toBytePath(wanted));
  if (source.mtime === 'commit') setTimes(toBytePath(wanted), await commitTime(client, mirror, object));
  return wanted;
}

async function hasSubmodules(client: GitClient, mirror: string, object: string): Promise<boolean> {
  const result = await client.attempt(mirror, ['cat-file', '-e', `${object}^{tree}:.gitmodules`]);
  return result.isSuccess;
}

/** Straight from the mirror, whose own index is left alone. */
async function writeFiles(client: GitClient, object: string, { mirror, folder }: CheckOutPlaces): Promise<void> {
  const index = `${folder}.index`;
  const args = [`--git-dir=${mirror}`, `--work-tree=${folder}`, 'read-tree', '--reset', '-u', `${object}^{tree}`];
  await client.run(folder, args, { what: `check out ${object}`, env: { GIT_INDEX_FILE: index } });
  rmSync(index, { force: true });
}

/** A repository in the folder that has the revision and nothing else, and knows where it came from. */
async function cloneMirror(
  client: GitClient,
  { object, ref }: GitRevision,
  { mirror, folder }: CheckOutPlaces,
): Promise<void> {
  const what = `check out ${object}`;
  const format = object.length === 64 ? ['--object-format=sha256'] : [];
  await client.run(folder, ['init', '--quiet', '--template=', ...format, '.'], { what });
  await client.run(folder, ['remote', 'add', 'origin', client.remote.url], { what });
  const refspec = ref === undefined ? keptRef(object) : `+${keptRef(object)}:${ref}`;
  const fetch = ['fetch', '--quiet', '--no-tags', '--update-head-ok', '--depth=1', '--', pathToFileURL(mirror).href];
  await client.run(folder, [...fetch, refspec], { what, protocols: 'file' });
  await client.run(folder, ['checkout', '--quiet', '--force', '--detach', `${object}^{commit}`], { what });
}

/** Each checked out and nothing more, whatever .gitmodules wants done with them. */
async function updateSubmodules(client: GitClient, folder: string): Promise<void> {
  const args = ['submodule', '--quiet', 'update', '--init', '--recursive', '--checkout', '--force', '--depth=1'];
  await client.run(folder, args, { what: 'fetch the submodules' });
}

/** The logs have the names and times of this machine. */
async function forgetLogs(client: GitClient, folder: string): Promise<void> {
  await client.run(folder, ['reflog', 'expire', '--all', '--expire=now'], { what: 'clear the logs' });
  rmSync(`${folder}/.git/FETCH_HEAD`, { force: true });
}

/** Component by component, none of which may be a symlink: git writes what the repository says, and that may lead anywhere. */
function resolveSubdir(folder: string, subdir: string, { remote }: GitClient): string {
  let path = folder;
  for (const name of subdir.split('/')) {
    if (name === '' || name === '.' || name === '..' || name.includes('\0'))
      throw invalidSubdir(remote.url, subdir, name);
    path = `${path}/${name}`;
    const stats = lstatSync(hostPath(toBytePath(path)), { throwIfNoEntry: false });
    if (stats?.isDirectory() !== true) throw invalidSubdir(remote.url, subdir, name);
  }
  return path;
}

function invalidSubdir(url: string, subdir: string, name: string): SlipwayError {
  return new SlipwayError(
    'SLIPWAY_GIT_SUBDIR_INVALID',
    `${url} has no folder ${JSON.stringify(subdir)}: ${JSON.stringify(name)} is no folder`,
    { hint: 'the path is that of a folder in the repository, and does not lead over symlinks' },
  );
}

async function commitTime(client: GitClient, mirror: string, object: string): Promise<number> {
  const args = ['log', '-1', '--format=%ct', `${object}^{commit}`, '--'];
  const text = await client.run(mirror, args, { what: `read the time of ${object}` });
  const seconds = Number(text.trim());
  if (Number.isSafeInteger(seconds)) return seconds;
  throw new SlipwayError('SLIPWAY_GIT_FAILED', `${client.remote.url}: commit ${object} has no time`);
}
