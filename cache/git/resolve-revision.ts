import { SlipwayError } from '../../src/core/errors.ts';
import type { GitClient } from './git-client.ts';
import { checkRef, findRef, isCommit, parseRefList } from './git-refs.ts';
import type { GitRevision, GitSource } from './git-source.ts';

/** Finds out what the source's ref is on the server now; a commit is what it is. See `GitRepositories.resolve`. */
export async function resolveRevision(source: GitSource, client: GitClient, folder: string): Promise<GitRevision> {
  const { ref, checksum } = source;
  checkChecksum(source);
  if (source.fetchByCommit) return pinnedRevision(source);
  if (ref !== undefined && isCommit(ref)) {
    if (checksum !== undefined && !ref.startsWith(checksum)) throw mismatch(client, checksum, [ref]);
    return { object: ref };
  }
  const found = ref === undefined ? await defaultBranch(client, folder) : await namedRef(checkRef(ref), client, folder);
  const objects = [found.object, ...(found.peeled === undefined ? [] : [found.peeled])];
  if (checksum !== undefined && !objects.some((object) => object.startsWith(checksum)))
    throw mismatch(client, checksum, objects);
  return found;
}

function checkChecksum({ checksum, url }: GitSource): void {
  if (checksum === undefined || /^[0-9a-f]+$/.test(checksum)) return;
  throw new SlipwayError(
    'SLIPWAY_CHECKSUM_INVALID',
    `invalid checksum ${JSON.stringify(checksum)} for a Git URL, expected a commit in lower-case hex digits`,
    { hint: `git ls-remote ${JSON.stringify(url.replace(/:\/\/[^/@]*@/, '://'))} lists the commits of refs` },
  );
}

/** A branch is meant by a name that does not say what it is. */
function pinnedRevision({ checksum, ref }: GitSource): GitRevision {
  if (checksum === undefined || !isCommit(checksum))
    throw new SlipwayError('SLIPWAY_CHECKSUM_INVALID', 'fetch-by-commit needs a whole commit as checksum', {
      hint: 'add ?checksum= with all digits of the commit',
    });
  if (ref === undefined || isCommit(ref)) return { object: checksum };
  return { object: checksum, ref: checkRef(ref).startsWith('refs/') ? ref : `refs/heads/${ref}` };
}

async function defaultBranch(client: GitClient, folder: string): Promise<GitRevision> {
  const text = await client.run(folder, ['ls-remote', '--symref', '--', client.remote.url, 'HEAD'], {
    what: 'find the default branch',
  });
  const { head, objects } = parseRefList(text);
  const object = objects.get('HEAD');
  if (head === undefined || object === undefined)
    throw new SlipwayError('SLIPWAY_GIT_REF_UNKNOWN', `${client.remote.url} has no default branch`, {
      hint: 'name a branch: #BRANCH behind the URL',
    });
  return { object, ref: checkRef(head) };
}

async function namedRef(ref: string, client: GitClient, folder: string): Promise<GitRevision> {
  const text = await client.run(folder, ['ls-remote', '--', client.remote.url, ref, `${ref}^{}`], {
    what: `find the ref ${ref}`,
  });
  const found = findRef(ref, parseRefList(text).objects);
  if (found !== undefined) return found;
  throw new SlipwayError('SLIPWAY_GIT_REF_UNKNOWN', `${client.remote.url} does not contain the ref ${ref}`, {
    hint: /^[0-9a-f]{4,39}$/.test(ref)
      ? 'a commit has to be written with all its digits'
      : 'the server has no branch and no tag of this name',
  });
}

function mismatch({ remote }: GitClient, checksum: string, objects: readonly string[]): SlipwayError {
  const message = `expected checksum of ${remote.url} to match ${checksum}, got ${objects.join(' or ')}`;
  return new SlipwayError('SLIPWAY_CHECKSUM_MISMATCH', message, {
    hint: 'the ref on the server is not the commit that the checksum pins',
  });
}
