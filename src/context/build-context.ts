import type { GitRepositories } from '../../cache/git/git-source.ts';
import type { Fetch } from '../core/fetch-url.ts';
import type { FileTree } from '../core/file-tree.ts';
import type { ProgressSink } from '../core/progress.ts';

/** The files that a Dockerfile may read under one context name. Disposing removes what was fetched or unpacked for it. */
export interface BuildContext extends AsyncDisposable {
  /** What is left after .dockerignore. Reading it opens no file of the user's outside the folder. */
  readonly tree: FileTree;
  /**
   * Why a path is not in the tree although it is in the folder: the ignore file, its line (from 1) and the pattern. Undefined if
   * nothing excluded it.
   */
  excludedBy(path: string): { readonly file: string; readonly line: number; readonly pattern: string } | undefined;
  /** What its ignore file says, whether or not the paths are there; undefined where it has none to heed. */
  readonly ignore?: ContextIgnore;
  /** What it is, for messages: `the build context`, `the context "assets"`. */
  readonly description: string;
}

/** An ignore file's patterns and what they do to a path of the context. */
export interface ContextIgnore {
  readonly patterns: readonly string[];
  excludes(path: string): boolean;
}

/** A Dockerfile as it was read. */
export interface DockerfileText {
  /** As the user would name it: the path as written, `Dockerfile` in the context, or a URL. */
  readonly name: string;
  readonly text: string;
}

/** What opening a context needs of its surroundings. */
export interface ContextServices {
  /** Gives a path that does not exist yet, below which fetched and unpacked files are kept. */
  temporaryPath(): string;
  readonly fetch: Fetch;
  /** Remote repositories, opened when the first is needed. */
  git(): Promise<GitRepositories>;
  /** Is told of what takes long. */
  readonly progress: ProgressSink;
  readonly signal: AbortSignal;
}
