import type { BytePath } from './byte-path.ts';
import type { FolderState, KnownListing } from './folder-state.ts';

export type FileType = 'file' | 'dir' | 'symlink' | 'char' | 'block' | 'fifo' | 'socket';

/** What a layer records of one file, apart from its bytes. */
export interface FileEntry {
  readonly type: FileType;
  /** Permission bits with setuid, setgid and sticky: `mode & 0o7777`. */
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  /** Bytes of a regular file, else 0. */
  readonly size: number;
  /** Modification time, whole seconds since 1970 (a layer records no more). */
  readonly mtime: number;
  /** Target of a symlink. */
  readonly target?: BytePath;
  /** Device numbers of `char` and `block`. */
  readonly device?: { readonly major: number; readonly minor: number };
  /** Extended attributes that a layer keeps (never overlayfs's own), values as bytes in latin1. */
  readonly xattrs?: ReadonlyMap<string, string>;
  /** Equal for the names of one inode, where the file has several. */
  readonly link?: string;
  /** Of a file that was read from this machine: which inode it was, in which state. No part of what a layer records. */
  readonly host?: HostState;
}

/**
 * Tells whether a file of this machine is still the one that was looked at. Times are `mtimeMs` and `ctimeMs` of fs.Stats: milliseconds
 * since 1970 to a quarter of a microsecond, far finer than the clocks that they come from.
 */
export interface HostState {
  readonly dev: number;
  readonly ino: number;
  readonly mtimeMs: number;
  readonly ctimeMs: number;
  /** Set by whoever knows that the file has no extended attributes in this state: they need not be read then. */
  isPlain: boolean;
  /** Set by whoever read a regular file's bytes in this state, or knows who did: their SHA-256, 64 hex digits. */
  digest?: string | undefined;
}

/**
 * A tree of files that can be read: a build context, the stack of an image's layers, an unpacked archive. Paths are
 * absolute within the tree (`/` is its root), clean, and never resolved by the host: a path whose inner components are
 * symlinks is not found. Use `resolvePath` to follow symlinks inside the tree. Reading is synchronous; whatever has to be
 * fetched or unpacked first was made ready by whoever made the tree.
 */
export interface FileTree {
  lstat(path: BytePath): FileEntry | undefined;
  /** Names in a folder, sorted by bytes; empty for anything that is no folder. */
  readdir(path: BytePath): readonly BytePath[];
  /** Where the bytes of a regular file lie on this machine, for opening with O_NOFOLLOW. Otherwise only valid for entries with `host`. */
  contentPath(path: BytePath): BytePath;
  /**
   * All that the tree has in a folder, in one compact piece, for trees that read the folders of this machine: `lstat` and `readdir` say the
   * same. Undefined for what is no folder. `known` is asked where the names have to be read: a listing that still holds saves that.
   */
  folderState?(folder: BytePath, known?: () => KnownListing | undefined): FolderState | undefined;
}

const LINK_LIMIT = 255;

/**
 * Follows symlinks inside `tree` as a process chrooted into it would: `..` above the root stays at the root, absolute targets
 * start at the root. Components that do not exist are kept as they are. `last` says whether a symlink at the end is followed.
 * Returns undefined for a loop (more than 255 symlinks).
 */
export function resolvePath(tree: FileTree, path: BytePath, last: 'follow' | 'keep'): BytePath | undefined {
  const pending = path.split('/').reverse();
  const done: string[] = [];
  let links = 0;
  while (pending.length > 0) {
    const name = pending.pop() as string;
    if (name === '' || name === '.') continue;
    if (name === '..') {
      done.pop();
      continue;
    }
    const here = `/${[...done, name].join('/')}` as BytePath;
    const entry = last === 'keep' && !pending.some(isName) ? undefined : tree.lstat(here);
    if (entry?.type !== 'symlink' || entry.target === undefined) {
      done.push(name);
      continue;
    }
    if (++links > LINK_LIMIT) return undefined;
    if (entry.target.startsWith('/')) done.length = 0;
    pending.push(...entry.target.split('/').reverse());
  }
  return `/${done.join('/')}` as BytePath;
}

function isName(component: string): boolean {
  return component !== '' && component !== '.';
}
