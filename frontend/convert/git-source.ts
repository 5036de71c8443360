import type { GitOp } from '../../solver/vertex.ts';
import type { GitReference } from '../../src/core/git-reference.ts';

/** The checkout that a Git URL means; `keepGitDir` and `checksum` count where the URL says nothing of them. */
export function gitOpOf(
  reference: GitReference,
  { keepGitDir, checksum }: { readonly keepGitDir?: boolean; readonly checksum?: string } = {},
): GitOp {
  const { remote, ref, subdir, mtime, fetchByCommit } = reference;
  const commit = reference.checksum ?? checksum;
  return {
    kind: 'git',
    url: remote,
    ...(ref === undefined ? {} : { ref }),
    ...(subdir === undefined ? {} : { subdir }),
    ...(commit === undefined ? {} : { checksum: commit }),
    keepGitDir: reference.keepGitDir ?? keepGitDir ?? false,
    submodules: reference.submodules ?? true,
    ...(mtime === undefined ? {} : { mtime }),
    ...(fetchByCommit ? { fetchByCommit } : {}),
  };
}
