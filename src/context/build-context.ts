import type { FileTree } from '../core/file-tree.ts';

/** The files that a Dockerfile may read under one context name. Disposing removes what was fetched or unpacked for it. */
export interface BuildContext extends AsyncDisposable {
  /** What is left after .dockerignore. Reading it opens no file of the user's outside the folder. */
  readonly tree: FileTree;
  /**
   * Why a path is not in the tree although it is in the folder: the ignore file, its line (from 1) and the pattern. Undefined if
   * nothing excluded it.
   */
  excludedBy(path: string): { readonly file: string; readonly line: number; readonly pattern: string } | undefined;
  /** Names near `path` that exist, for "did you mean". */
  readonly description: string;
}
