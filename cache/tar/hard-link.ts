import type { FileEntry } from '../../src/core/file-tree.ts';
import type { TarEntry } from './tar-entry.ts';

/** What a hard link's entry says of the file that it is another name of. */
export type LinkAttributes = Pick<TarEntry, 'mode' | 'uid' | 'gid' | 'mtime' | 'xattrs'>;

/**
 * A file after another name was given to it by an archive: with the owner, mode and mtime of the link's entry and with its xattrs besides those
 * that it had, as unpackers do it (containerd, moby). Capabilities go with the change of owner. A symlink has no mode to set.
 */
export function linkedFile(file: FileEntry, { mode, uid, gid, mtime, xattrs }: LinkAttributes): FileEntry {
  const { xattrs: before, ...rest } = file;
  const merged = new Map([...(before ?? []), ...(xattrs ?? [])]);
  if (xattrs?.has('security.capability') !== true) merged.delete('security.capability');
  return {
    ...rest,
    ...(file.type === 'symlink' ? undefined : { mode }),
    uid,
    gid,
    mtime,
    ...(merged.size === 0 ? undefined : { xattrs: merged }),
  };
}
