/** What of which repository is wanted, in the words of BuildKit's Git URLs; see `GitReference` in `src/core/git-reference.ts`. */
export interface GitSource {
  /** May have a user and a password in it, which are used and never shown or kept. */
  readonly url: string;
  /** Commit, tag, branch or full ref name; undefined is the default branch. */
  readonly ref?: string;
  readonly subdir?: string;
  /** The commit, or the beginning of it, that must come out. */
  readonly checksum?: string;
  readonly keepGitDir: boolean;
  readonly submodules: boolean;
  readonly mtime?: 'commit';
  readonly fetchByCommit?: boolean;
}

/** What a `GitSource` means at this moment. */
export interface GitRevision {
  /** The object that the ref names: a commit, or an annotated tag. */
  readonly object: string;
  /** Full name of the ref; undefined where a commit was asked for. */
  readonly ref?: string;
  /** The commit behind an annotated tag, where the server told. */
  readonly peeled?: string;
}

/** Takes what git says while it works: bytes as they come. */
export type GitOutput = (data: Uint8Array) => void;

/**
 * Remote repositories, fetched by the machine's `git` into bare repositories that the store keeps, so that little is sent again.
 * git runs without hooks, templates, filters and configuration of this machine, and speaks https, http, ssh and git only;
 * refs and URLs never become options of it.
 */
export interface GitRepositories {
  /**
   * Finds out what the source names now; asks the server unless it is a commit. `SLIPWAY_GIT_REF_INVALID`, `SLIPWAY_GIT_REF_UNKNOWN`,
   * `SLIPWAY_CHECKSUM_MISMATCH`, `SLIPWAY_GIT_FAILED`, `SLIPWAY_GIT_MISSING`.
   */
  resolve(source: GitSource, options: { readonly signal: AbortSignal }): Promise<GitRevision>;
  /**
   * Fetches the revision where it is not there, and writes its files (those below `subdir`) into a new folder, which is a temporary one of
   * the store. The files belong to the user that runs this; symlinks are as they are in the repository and may lead anywhere.
   * `SLIPWAY_GIT_SUBDIR_INVALID` where the folder in it is none, or is reached over a symlink.
   */
  checkOut(
    source: GitSource,
    revision: GitRevision,
    options: { readonly signal: AbortSignal; readonly onOutput?: GitOutput },
  ): Promise<string>;
}
