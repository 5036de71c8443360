import { type BytePath, toBytePath } from '../../../../src/core/byte-path.ts';
import type { FileEntry, FileTree } from '../../../../src/core/file-tree.ts';

/** `mode uid:gid` of a described file, `->` and a target for a symlink, a slash at the end for a folder. */
export type TreeDescription = Readonly<Record<string, string | Partial<FileEntry>>>;

/**
 * A tree without any files behind it. Keys are paths (`a/b` a file, `a/` a folder); values are a symlink's target after `-> `,
 * or attributes, or the name of an inode for hard links. Missing parents are folders. A file's content path is `/host` and its path.
 */
export function memoryTree(description: TreeDescription): FileTree {
  const entries = new Map<string, FileEntry>([['/', entryOf('/', {})]]);
  for (const [key, value] of Object.entries(description)) {
    const path = toBytePath(`/${key.replace(/\/$/, '')}`);
    for (let slash = path.indexOf('/', 1); slash > 0; slash = path.indexOf('/', slash + 1)) {
      const parent = path.slice(0, slash);
      if (!entries.has(parent)) entries.set(parent, entryOf('/', {}));
    }
    entries.set(path, typeof value === 'string' ? fromText(key, value) : entryOf(key, value));
  }
  return {
    lstat: (path) => entries.get(path),
    readdir: (path) => {
      const prefix = path === '/' ? '/' : `${path}/`;
      const below = [...entries.keys()].filter((key) => key !== '/' && key.startsWith(prefix));
      return below
        .map((key) => key.slice(prefix.length))
        .filter((name) => !name.includes('/'))
        .sort() as BytePath[];
    },
    contentPath: (path) => `/host${path}` as BytePath,
  };
}

function fromText(key: string, text: string): FileEntry {
  if (text.startsWith('-> ')) return entryOf(key, { type: 'symlink', mode: 0o777, target: toBytePath(text.slice(3)) });
  return entryOf(key, { link: text });
}

function entryOf(key: string, attributes: Partial<FileEntry>): FileEntry {
  const type = attributes.type ?? (key.endsWith('/') ? 'dir' : 'file');
  const mode = type === 'dir' ? 0o755 : 0o644;
  const host = { dev: 1, ino: 1, mtimeMs: 5000, ctimeMs: 5000, isPlain: false };
  return { type, mode, uid: 0, gid: 0, size: type === 'file' ? 1 : 0, mtime: 5, host, ...attributes };
}
