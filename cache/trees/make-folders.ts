import { type BytePath, displayPath, toBytePath } from '../../src/core/byte-path.ts';
import { SlipwayError } from '../../src/core/errors.ts';
import { type FileTree, type FileType, resolvePath } from '../../src/core/file-tree.ts';
import type { WorkingTree } from './working-tree.ts';

/** A numeric user and group. */
export interface Ids {
  readonly uid: number;
  readonly gid: number;
}

/**
 * Makes a folder and its missing parents; what exists is left as it is. `path` is resolved. Something else in the way is
 * `SLIPWAY_COPY_CONFLICT`.
 */
export function makeFolders(
  to: WorkingTree,
  path: BytePath,
  attributes: { readonly parentMode: number; readonly owner: Ids | undefined; readonly now: number },
): void {
  const existing = to.lstat(path);
  if (existing?.type === 'dir') return;
  if (existing !== undefined) throw cannotWrite(path, `it is a ${nameOfType(existing.type)}, not a folder`);
  const parent = path.slice(0, path.lastIndexOf('/')) || '/';
  makeFolders(to, parent as BytePath, attributes);
  const { uid, gid } = attributes.owner ?? { uid: 0, gid: 0 };
  to.putFolder(path, { type: 'dir', mode: attributes.parentMode, uid, gid, size: 0, mtime: attributes.now });
}

/** `path` with its symlinks followed inside the tree that is being written. */
export function resolveInRoot(to: FileTree, path: string): BytePath {
  const resolved = resolvePath(to, toBytePath(path), 'follow');
  if (resolved !== undefined) return resolved;
  throw new SlipwayError('SLIPWAY_COPY_SYMLINK_LOOP', `cannot resolve "${path}": too many links (a symlink loop)`);
}

/** The error for a path of the image that cannot be written because of what is there. */
export function cannotWrite(path: BytePath, why: string): SlipwayError {
  return new SlipwayError('SLIPWAY_COPY_CONFLICT', `cannot write to "${displayPath(path)}" of the image: ${why}`);
}

/** What a person calls a file of this type. */
export function nameOfType(type: FileType): string {
  const names = {
    file: 'file (non-directory)',
    dir: 'folder (directory)',
    symlink: 'symlink (non-directory)',
    char: 'device',
    block: 'device',
    fifo: 'fifo',
    socket: 'socket',
  } as const;
  return names[type];
}
