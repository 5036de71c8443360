import { lstatSync, readdirSync, readlinkSync, type Stats } from 'node:fs';
import { type BytePath, bytePathOf, hostPath, toBytePath } from '../core/byte-path.ts';
import { errnoOf } from '../core/errors.ts';
import type { FileEntry, FileTree, FileType } from '../core/file-tree.ts';

/**
 * The folder `root` as a tree whose paths are never resolved by the host. For folders that nobody else writes to: between two
 * looks nothing changes.
 */
export function rootView(root: string): FileTree {
  const base = root === '/' ? '' : toBytePath(root);
  const onHost = (path: BytePath) => `${base}${path}` as BytePath;
  return {
    lstat: (path) => {
      const host = hostPath(onHost(path));
      const stat = lstatOrMissing(host);
      if (stat === undefined) return undefined;
      const entry = entryOf(stat);
      return entry.type === 'symlink' ? { ...entry, target: bytePathOf(readlinkSync(host, 'buffer')) } : entry;
    },
    readdir: (path) => {
      const names = readdirSync(hostPath(onHost(path)), { encoding: 'buffer' });
      return names.map(bytePathOf).sort();
    },
    contentPath: onHost,
  };
}

function lstatOrMissing(path: string | Buffer): Stats | undefined {
  try {
    return lstatSync(path, { throwIfNoEntry: false });
  } catch (error) {
    if (errnoOf(error) === 'ENOTDIR') return undefined;
    throw error;
  }
}

function entryOf(stat: Stats): FileEntry {
  return {
    type: typeOf(stat),
    mode: stat.mode & 0o7777,
    uid: stat.uid,
    gid: stat.gid,
    size: stat.isFile() ? stat.size : 0,
    mtime: Math.floor(stat.mtimeMs / 1000),
  };
}

function typeOf(stat: Stats): FileType {
  if (stat.isFile()) return 'file';
  if (stat.isDirectory()) return 'dir';
  if (stat.isSymbolicLink()) return 'symlink';
  if (stat.isCharacterDevice()) return 'char';
  if (stat.isBlockDevice()) return 'block';
  return stat.isFIFO() ? 'fifo' : 'socket';
}
