import type { BytePath } from '../../../src/core/byte-path.ts';
import type { FileTree } from '../../../src/core/file-tree.ts';
import type { PathFilter } from './copy-filter.ts';

/** What a filter lets through of a source: the source itself, and below it the files and the folders on the way to them. */
export function wantedPaths(tree: FileTree, source: BytePath, filter: PathFilter): ReadonlySet<BytePath> {
  const wanted = new Set<BytePath>([source]);
  const visit = (folder: BytePath, relativeFolder: string): boolean => {
    let hasWanted = false;
    for (const name of tree.readdir(folder)) {
      const path = (folder === '/' ? `/${name}` : `${folder}/${name}`) as BytePath;
      const relative = `${relativeFolder}${name}` as BytePath;
      const verdict = filter(relative);
      if (verdict === 'skip') continue;
      const hasWantedBelow = tree.lstat(path)?.type === 'dir' && visit(path, `${relative}/`);
      if (verdict !== 'copy' && !hasWantedBelow) continue;
      wanted.add(path);
      hasWanted = true;
    }
    return hasWanted;
  };
  visit(source, '');
  return wanted;
}
