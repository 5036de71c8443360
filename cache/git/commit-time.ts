import { gitEnvironment } from './git-environment.ts';
import { runGit } from './run-git.ts';

export interface CommitTimeOptions {
  /** Of this process; see `GitAccess`. */
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly signal: AbortSignal;
}

/**
 * Seconds since 1970 of the commit that a folder of this machine has checked out; undefined where it is in no repository, or in one without
 * commits. Runs nothing that the repository's configuration names, and fetches nothing. `SLIPWAY_GIT_MISSING` where there is no git.
 */
export async function commitTimeOf(folder: string, { env, signal }: CommitTimeOptions): Promise<number | undefined> {
  const none = { url: '', transport: 'git', host: '' } as const;
  const { isSuccess, stdout } = await runGit({
    // The time of a commit is nothing that the owner of a repository could mislead with, so whose it is does not matter.
    args: ['-c', 'safe.directory=*', '--no-pager', 'log', '--no-show-signature', '-1', '--format=%ct', 'HEAD', '--'],
    env: { ...gitEnvironment(none, { knownHosts: [], env }, 'file'), GIT_ALLOW_PROTOCOL: '', GIT_NO_LAZY_FETCH: '1' },
    cwd: folder,
    signal,
  });
  return isSuccess && /^\d{1,12}\n$/.test(stdout) ? Number(stdout) : undefined;
}
