import type { BytePath } from '../../../src/core/byte-path.ts';
import { displayPath, toBytePath } from '../../../src/core/byte-path.ts';
import { type FileTree, resolvePath } from '../../../src/core/file-tree.ts';
import type { CopyAction } from '../../vertex.ts';
import { cleanComponents, parseFilePattern, type Wildcard } from './file-pattern.ts';

/** A file or folder that a COPY source names. */
export interface CopySource {
  /** Where it is, symlinks followed. */
  readonly path: BytePath;
  /** The name that it gets in a folder: the last component as written or matched, not that of a symlink's target. */
  readonly name: BytePath;
  /** Where it was found, symlinks not followed. */
  readonly writtenPath: BytePath;
}

/** What a COPY source comes to: what it names, and the path that had to exist and does not. */
export interface Selection {
  readonly sources: readonly CopySource[];
  /** Why the copy cannot be: a path, as text, that is not in the input. */
  readonly missing?: string;
}

/**
 * Finds what one COPY source names, by BuildKit's rules: symlinks are followed within the tree in front of the first wildcard
 * and at the end, never in between; a matched folder is not looked into for more matches; a wildcard that matches nothing is
 * nothing, but its folder has to exist.
 */
export function selectSources(tree: FileTree, action: CopyAction): Selection {
  if (action.literal) return selectOne(tree, toBytePath(`/${cleanComponents(action.source).join('/')}`), 'keep');
  const { root } = splitParents(action);
  const { folder, wildcard } = parseFilePattern(root);
  if (wildcard === undefined) return withParents(tree, action, selectOne(tree, toBytePath(folder), 'follow'));

  const base = resolvePath(tree, toBytePath(folder), 'follow');
  if (base === undefined || tree.lstat(base) === undefined) return { sources: [], missing: folder };
  const sources: CopySource[] = [];
  for (const match of walkMatches(tree, base === '/' ? ('' as BytePath) : base, wildcard)) {
    const found = selectOne(tree, match, 'follow');
    if (found.missing !== undefined) return found;
    sources.push(...found.sources);
  }
  if (sources.length === 0 && action.mustMatch) return { sources, missing: action.source };
  return { sources };
}

/**
 * With `--parents`, the folder whose contents are copied and the pattern of what is copied of it: they meet at `/./`, or else the
 * folder is the whole input. Without, the source itself.
 */
export function splitParents(action: CopyAction): { readonly root: string; readonly pattern?: string } {
  if (!action.parents) return { root: action.source };
  const pivot = action.source.indexOf('/./');
  if (pivot < 0) return { root: '/', pattern: cleanComponents(action.source).join('/') };
  return {
    root: action.source.slice(0, pivot) || '/',
    pattern: cleanComponents(action.source.slice(pivot + 2)).join('/'),
  };
}

/** Of `--parents` without wildcards, what is named has to be there, and not behind a symlink, which is not followed. */
function withParents(tree: FileTree, action: CopyAction, selection: Selection): Selection {
  const [source] = selection.sources;
  const { root, pattern } = splitParents(action);
  if (pattern === undefined || source === undefined || !action.mustMatch) return selection;
  const below = `${source.path === '/' ? '' : source.path}/${toBytePath(pattern)}` as BytePath;
  if (tree.lstat(source.path)?.type !== 'dir' || tree.lstat(below) !== undefined) return selection;
  return { sources: [], missing: `${root === '/' ? '' : root}/${pattern}` };
}

function selectOne(tree: FileTree, writtenPath: BytePath, last: 'follow' | 'keep'): Selection {
  const path = resolvePath(tree, writtenPath, last);
  if (path === undefined || tree.lstat(path) === undefined) return { sources: [], missing: displayPath(writtenPath) };
  return { sources: [{ path, name: writtenPath.slice(writtenPath.lastIndexOf('/') + 1) as BytePath, writtenPath }] };
}

function* walkMatches(tree: FileTree, base: BytePath, wildcard: Wildcard, below = ''): Generator<BytePath> {
  const folder = `${base}${below === '' ? '' : `/${below}`}` as BytePath;
  for (const name of tree.readdir(folder === '' ? ('/' as BytePath) : folder)) {
    const relative = (below === '' ? name : `${below}/${name}`) as BytePath;
    const path = `${folder}/${name}` as BytePath;
    if (wildcard.matches(relative)) yield path;
    else if (wildcard.mayMatchBelow(relative) && tree.lstat(path)?.type === 'dir') {
      yield* walkMatches(tree, base, wildcard, relative);
    }
  }
}
