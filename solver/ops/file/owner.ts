import type { Ids } from '../../../cache/trees/make-folders.ts';
import type { FileTree } from '../../../src/core/file-tree.ts';
import { findGroup, findUser, parseId, readUserFiles, type UserFiles } from '../../../src/core/unix-users.ts';
import type { Owner } from '../../vertex.ts';

/** What an owner comes to, and the names that the root does not know: those are root's, as in BuildKit. */
export interface ResolvedOwner {
  readonly ids: Ids;
  readonly unknown: readonly string[];
}

/**
 * Looks an owner up in the root's own files, which are read only for names. A user without a group has the group of its
 * entry; a numeric user without a group has the group of the same number. Nothing behind the colon is root's group.
 */
export function resolveOwner(owner: Owner, root: FileTree): ResolvedOwner {
  let files: UserFiles | undefined;
  const read = () => {
    files ??= readUserFiles(root);
    return files;
  };
  const unknown: string[] = [];
  const ids = { uid: 0, gid: 0 };
  if (owner.user !== undefined && owner.user !== '') {
    const id = parseId(owner.user);
    const entry = id === undefined ? findUser(read().passwd, owner.user) : { uid: id, gid: id };
    if (entry === undefined) unknown.push(owner.user);
    else Object.assign(ids, { uid: entry.uid, gid: entry.gid });
  }
  if (owner.group === '') {
    ids.gid = 0;
  } else if (owner.group !== undefined) {
    const gid = parseId(owner.group) ?? findGroup(read().group, owner.group)?.gid;
    if (gid === undefined) unknown.push(owner.group);
    else ids.gid = gid;
  }
  return { ids, unknown };
}
