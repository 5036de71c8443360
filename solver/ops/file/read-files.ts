import type { BytePath } from '../../../src/core/byte-path.ts';
import type { FileTree } from '../../../src/core/file-tree.ts';
import type { CopyAction } from '../../vertex.ts';
import { copyFilter } from './copy-filter.ts';
import { selectSources } from './select-sources.ts';
import { wantedPaths } from './wanted-paths.ts';

/** What a COPY or ADD reads of an input. */
export interface ReadFiles {
  /** Files and folders, symlinks in the source followed. */
  readonly paths: readonly BytePath[];
  /** What had to be there and is not. */
  readonly missing?: string;
}

/** Every path that the copy reads of `tree`; no file is opened. */
export function readFiles(tree: FileTree, action: CopyAction): ReadFiles {
  const { sources, missing } = selectSources(tree, action);
  const paths = sources.flatMap(({ path }) => {
    const filter = copyFilter(action);
    return filter === undefined ? pathsBelow(tree, path) : [...wantedPaths(tree, path, filter)];
  });
  return missing === undefined ? { paths } : { paths, missing };
}

/** The path itself and, of a folder, everything in it. */
export function pathsBelow(tree: FileTree, path: BytePath): BytePath[] {
  const found = [path];
  for (let index = 0; index < found.length; index++) {
    const folder = found[index] as BytePath;
    if (tree.lstat(folder)?.type !== 'dir') continue;
    for (const name of tree.readdir(folder))
      found.push((folder === '/' ? `/${name}` : `${folder}/${name}`) as BytePath);
  }
  return found;
}
