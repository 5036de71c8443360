import type { BytePath } from '../core/byte-path.ts';
import type { FileType } from '../core/file-tree.ts';
import { compileIgnorePatterns } from '../core/ignore-patterns.ts';
import type { FolderContext, IgnoreRule } from './folder-context.ts';
import { openFolderTree } from './folder-tree.ts';

/** A file of a context's folder that is no folder itself. */
export interface ContextFile {
  /** Relative to the folder. */
  readonly path: BytePath;
  readonly type: FileType;
  /** Bytes; 0 for what is no regular file. */
  readonly size: number;
  readonly isExcluded: boolean;
  /** The rule that decided; undefined where no rule speaks of the file. */
  readonly rule?: IgnoreRule;
}

/** All files of the folder, those that the build does not see as well, in the order of a walk. Reads no file. */
export function* contextInventory(context: FolderContext): Generator<ContextFile, void> {
  using everything = openFolderTree(context.folder, compileIgnorePatterns([], '.dockerignore'));
  const pending: BytePath[] = ['/' as BytePath];
  for (let folder = pending.pop(); folder !== undefined; folder = pending.pop()) {
    for (const name of everything.readdir(folder)) {
      const path = (folder === '/' ? `/${name}` : `${folder}/${name}`) as BytePath;
      const entry = everything.lstat(path);
      if (entry?.type === 'dir') pending.push(path);
      else if (entry !== undefined) yield fileOf(context, path, { type: entry.type, size: entry.size });
    }
  }
}

function fileOf(
  { tree, ruleFor }: FolderContext,
  path: BytePath,
  { type, size }: { readonly type: FileType; readonly size: number },
): ContextFile {
  const relative = path.slice(1) as BytePath;
  const found = ruleFor(relative);
  const common = { path: relative, type, size, isExcluded: tree.lstat(path) === undefined };
  if (found === undefined) return common;
  const { file, line, pattern } = found;
  return { ...common, rule: { file, line, pattern } };
}
