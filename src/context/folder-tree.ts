import { type Dirent, readdirSync, readlinkSync } from 'node:fs';
import { isLayerXattr } from '../../cache/layers/overlay-format.ts';
import { type BytePath, displayPath, hostPath } from '../core/byte-path.ts';
import { errnoOf, SlipwayError } from '../core/errors.ts';
import type { FileEntry, FileTree, FileType, HostState } from '../core/file-tree.ts';
import type { HostStat } from '../core/host-stat.ts';
import { hostStatReader } from '../core/host-stat-reader.ts';
import type { IgnoreMatch, IgnorePatterns } from '../core/ignore-patterns.ts';
import { syscalls } from '../core/syscalls.ts';
import { FolderDescriptors } from './folder-descriptors.ts';

const TOP: FileEntry = { type: 'dir', mode: 0o755, uid: 0, gid: 0, size: 0, mtime: 0 };

/**
 * A folder of this machine as a build sees it: without what the patterns exclude and without sockets, everything owned by
 * root. Nothing is read before it is asked for, and what was read is remembered, so that one build sees one state. No
 * symlink is ever followed, not even one that was not there a moment ago, so that nothing outside the folder is seen. `root` is
 * absolute and has no symlinks. `SLIPWAY_CONTEXT_UNREADABLE` for what this user may not read, `SLIPWAY_CONTEXT_CHANGED` where a
 * folder was replaced. The caller disposes it.
 */
export function openFolderTree(root: BytePath, ignore: IgnorePatterns): FileTree & Disposable {
  return new FolderTree(root, ignore);
}

class FolderTree implements FileTree, Disposable {
  readonly #root: BytePath;
  readonly #ignore: IgnorePatterns;
  readonly #entries = new Map<BytePath, FileEntry | undefined>([['/' as BytePath, TOP]]);
  readonly #folders = new Map<BytePath, Listing>();
  /** Of folders. */
  readonly #matches = new Map<string, IgnoreMatch>();
  /** Of excluded folders, whether something in them was taken back in. */
  readonly #exceptions = new Map<BytePath, boolean>();
  readonly #stat = hostStatReader();
  readonly #descriptors: FolderDescriptors;

  constructor(root: BytePath, ignore: IgnorePatterns) {
    this.#root = root === '/' ? ('' as BytePath) : root;
    this.#ignore = ignore;
    this.#descriptors = new FolderDescriptors(root);
  }

  [Symbol.dispose](): void {
    this.#descriptors[Symbol.dispose]();
  }

  lstat(path: BytePath): FileEntry | undefined {
    const known = this.#entries.get(path);
    if (known !== undefined || this.#entries.has(path)) return known;
    const entry = this.#look(path);
    this.#entries.set(path, entry);
    return entry;
  }

  readdir(path: BytePath): readonly BytePath[] {
    const known = this.#folders.get(path);
    if (known !== undefined) return known.names;
    const listing = this.lstat(path)?.type === 'dir' ? this.#list(path) : EMPTY;
    this.#folders.set(path, listing);
    return listing.names;
  }

  contentPath(path: BytePath): BytePath {
    return `${this.#root}${path}` as BytePath;
  }

  #look(path: BytePath): FileEntry | undefined {
    const slash = path.lastIndexOf('/');
    const parent = (path.slice(0, slash) || '/') as BytePath;
    const listing = this.#folders.get(parent);
    if (listing === undefined && this.lstat(parent)?.type !== 'dir') return undefined;
    // What a listing has was found not to be left out.
    if (listing !== undefined && !listing.set.has(path.slice(slash + 1))) return undefined;
    const place = this.#place(path);
    const stat = place === undefined ? undefined : this.#statOf(place, path);
    if (place === undefined || stat === undefined || stat.type === 'socket') return undefined;
    if (listing === undefined && this.#isLeftOut(path, stat.type === 'dir')) return undefined;
    const entry = new HostEntry(stat, path, this.#xattrsOf);
    return stat.type === 'symlink' ? Object.assign(entry, { target: readTarget(place, path) }) : entry;
  }

  /** Where the file is, by its folder's descriptor: for use at once. */
  #place(path: BytePath): BytePath | undefined {
    const slash = path.lastIndexOf('/');
    const folder = this.#folderPlace((path.slice(0, slash) || '/') as BytePath);
    return folder === undefined ? undefined : (`${folder}${path.slice(slash)}` as BytePath);
  }

  #folderPlace(folder: BytePath): string | undefined {
    try {
      return this.#descriptors.place(folder);
    } catch (error) {
      throw unreadable(folder, error);
    }
  }

  /** One function for all entries. */
  readonly #xattrsOf = (path: BytePath): ReadonlyMap<string, string> => {
    const place = this.#place(path);
    return place === undefined ? NO_XATTRS : readXattrs(place);
  };

  #readFolder(path: BytePath): Dirent[] {
    const place = this.#folderPlace(path);
    return place === undefined ? [] : readFolder(`${place}/` as BytePath, path);
  }

  #statOf(place: BytePath, path: BytePath): HostStat | undefined {
    try {
      return this.#stat(place);
    } catch (error) {
      const errno = errnoOf(error);
      // A name with a NUL, or one that is too long, is no file's.
      if (errno === 'ENOTDIR' || errno === 'ENAMETOOLONG' || errno === 'ERR_INVALID_ARG_VALUE') return undefined;
      throw unreadable(path, error);
    }
  }

  #list(path: BytePath): Listing {
    const names: BytePath[] = [];
    const prefix = path === '/' ? '/' : `${path}/`;
    for (const found of this.#readFolder(path)) {
      const name = found.name as BytePath;
      if (!found.isSocket() && !this.#isLeftOut(`${prefix}${name}` as BytePath, found.isDirectory())) names.push(name);
    }
    return { names: names.sort(), set: new Set(names) };
  }

  /** An excluded folder stays where something in it was taken back in. */
  #isLeftOut(path: BytePath, isFolder: boolean): boolean {
    if (this.#ignore.isEmpty) return false;
    const relative = path.slice(1) as BytePath;
    const match = this.#match(relative, isFolder);
    if (!match.isExcluded) return false;
    if (!isFolder || !this.#ignore.hasExceptions || !this.#ignore.mayIncludeBelow(relative)) return true;
    return !this.#hasIncluded(path);
  }

  #hasIncluded(folder: BytePath): boolean {
    let isFound = this.#exceptions.get(folder);
    if (isFound === undefined) {
      isFound = this.#findIncluded(folder);
      this.#exceptions.set(folder, isFound);
    }
    return isFound;
  }

  #findIncluded(folder: BytePath): boolean {
    for (const found of this.#readFolder(folder)) {
      const path = `${folder}/${found.name}` as BytePath;
      if (!found.isSocket() && !this.#isLeftOut(path, found.isDirectory())) return true;
    }
    return false;
  }

  #match(relative: BytePath, isFolder: boolean): IgnoreMatch {
    const known = this.#matches.get(relative);
    if (known !== undefined) return known;
    const slash = relative.lastIndexOf('/');
    const folder = slash < 0 ? undefined : this.#match(relative.slice(0, slash) as BytePath, true);
    const match = this.#ignore.match(relative, folder);
    if (isFolder) this.#matches.set(relative, match);
    return match;
  }
}

/** Names in a folder, sorted, without what is left out. */
interface Listing {
  readonly names: readonly BytePath[];
  readonly set: ReadonlySet<string>;
}

const EMPTY: Listing = { names: [], set: new Set() };

/**
 * A file and the state in which it was found: one object, because there are many. The extended attributes are read when they are asked
 * for: few files have any, and asking costs a system call.
 */
class HostEntry implements FileEntry, HostState {
  readonly type: FileType;
  readonly mode: number;
  readonly uid = 0;
  readonly gid = 0;
  readonly size: number;
  readonly mtime: number;
  readonly target?: BytePath;
  readonly device?: { readonly major: number; readonly minor: number };
  readonly link?: string;
  readonly dev: number;
  readonly ino: number;
  readonly mtimeMs: number;
  readonly ctimeMs: number;
  isPlain = false;
  digest: string | undefined = undefined;
  readonly #path: BytePath;
  readonly #readXattrs: (path: BytePath) => ReadonlyMap<string, string>;
  #xattrs: ReadonlyMap<string, string> | undefined;

  constructor(stat: HostStat, path: BytePath, readXattrs: (path: BytePath) => ReadonlyMap<string, string>) {
    const { type, mode, mtime, device, sharedInode } = stat;
    this.#path = path;
    this.#readXattrs = readXattrs;
    this.type = type;
    this.mode = mode;
    this.size = type === 'file' ? stat.size : 0;
    this.mtime = mtime;
    this.dev = stat.dev;
    this.ino = stat.ino;
    this.mtimeMs = stat.mtimeMs;
    this.ctimeMs = stat.ctimeMs;
    if (type === 'char' || type === 'block') this.device = device;
    if (sharedInode !== undefined) this.link = sharedInode;
  }

  get host(): HostState {
    return this;
  }

  get xattrs(): ReadonlyMap<string, string> {
    const mayHave = (this.type === 'file' || this.type === 'dir') && !this.isPlain;
    this.#xattrs ??= mayHave ? this.#readXattrs(this.#path) : NO_XATTRS;
    return this.#xattrs;
  }
}

function readTarget(place: BytePath, path: BytePath): BytePath {
  try {
    return readlinkSync(hostPath(place), { encoding: 'latin1' }) as BytePath;
  } catch (error) {
    if (errnoOf(error) !== 'EINVAL' && errnoOf(error) !== 'ENOENT') throw unreadable(path, error);
    throw new SlipwayError(
      'SLIPWAY_CONTEXT_CHANGED',
      `"${displayPath(path)}" of the build context changed while the build was reading it: it was a symlink`,
      { hint: 'build again once nothing writes to the context', cause: error },
    );
  }
}

const NO_XATTRS: ReadonlyMap<string, string> = new Map();

function readXattrs(place: BytePath): ReadonlyMap<string, string> {
  const found = syscalls().listXattrs(place);
  if (found.size === 0) return NO_XATTRS;
  const kept = [...found].filter(([name]) => isLayerXattr(name));
  return new Map(kept.map(([name, value]) => [name, value.toString('latin1')]));
}

function readFolder(place: BytePath, path: BytePath): Dirent[] {
  try {
    const options = { withFileTypes: true, encoding: 'latin1' } as const;
    return readdirSync(hostPath(place), options);
  } catch (error) {
    if (errnoOf(error) === 'ENOENT' || errnoOf(error) === 'ENOTDIR') return [];
    throw unreadable(path, error);
  }
}

function unreadable(path: BytePath, error: unknown): unknown {
  const errno = errnoOf(error);
  if (errno !== 'EACCES' && errno !== 'EPERM') return error;
  const message = `cannot read "${displayPath(path)}" of the build context: ${errno}`;
  return new SlipwayError('SLIPWAY_CONTEXT_UNREADABLE', message, {
    hint: 'make it readable for the user that builds, or exclude it in .dockerignore',
    cause: error,
  });
}
