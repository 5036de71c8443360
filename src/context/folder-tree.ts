import { readlinkSync } from 'node:fs';
import { isLayerXattr } from '../../cache/layers/overlay-format.ts';
import { type BytePath, displayPath, hostPath } from '../core/byte-path.ts';
import { errnoOf, SlipwayError } from '../core/errors.ts';
import type { FileEntry, FileTree } from '../core/file-tree.ts';
import type { KnownListing } from '../core/folder-state.ts';
import { isPresentAt, isSameStamp, makeStamps, STAMP_WORDS, type Stamps, stampAt, typeAt } from '../core/host-stamp.ts';
import { hostStampReader } from '../core/host-stat-reader.ts';
import type { IgnorePatterns } from '../core/ignore-patterns.ts';
import { syscalls } from '../core/syscalls.ts';
import { FolderDescriptors } from './folder-descriptors.ts';
import { FolderFiles, type HostReader, type SeenFiles } from './folder-files.ts';
import { FolderListing } from './folder-listing.ts';
import { unreadable } from './unreadable-file.ts';

const TOP: FileEntry = { type: 'dir', mode: 0o755, uid: 0, gid: 0, size: 0, mtime: 0 };
/** The folder itself, for `hostStampReader`. */
const ITSELF = ['' as BytePath];

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
  readonly #listing: FolderListing;
  /** Names of folders that were listed, and whose files were not looked at yet. */
  readonly #listed = new Map<BytePath, Listed>();
  /** Folders whose files were looked at. */
  readonly #folders = new Map<BytePath, FolderFiles>();
  /** By folder and name, files that were looked at by themselves; undefined for what is not there. */
  readonly #singles = new Map<BytePath, Map<string, FolderFiles | undefined>>();
  readonly #targets = new Map<BytePath, BytePath>();
  /** The extended attributes of the few files that have any. */
  readonly #xattrs = new Map<BytePath, ReadonlyMap<string, string>>();
  readonly #stamps = hostStampReader();
  readonly #descriptors: FolderDescriptors;

  constructor(root: BytePath, ignore: IgnorePatterns) {
    this.#root = root === '/' ? ('' as BytePath) : root;
    this.#descriptors = new FolderDescriptors(root);
    this.#listing = new FolderListing(ignore, (folder) => this.#descriptor(folder));
  }

  [Symbol.dispose](): void {
    this.#descriptors[Symbol.dispose]();
  }

  lstat(path: BytePath): FileEntry | undefined {
    if (path === '/') return TOP;
    const [folder, name] = split(path);
    const files = this.#folders.get(folder);
    if (files !== undefined) return files.entry(name);
    if (this.#listed.has(folder)) return this.folderState(folder)?.entry(name);
    return this.#single(folder, name)?.entry(name);
  }

  readdir(path: BytePath): readonly BytePath[] {
    return this.#folders.get(path)?.names ?? this.#list(path).names;
  }

  contentPath(path: BytePath): BytePath {
    return `${this.#root}${path}` as BytePath;
  }

  folderState(folder: BytePath, known?: () => KnownListing | undefined): FolderFiles | undefined {
    const found = this.#folders.get(folder);
    if (found !== undefined || this.lstat(folder)?.type !== 'dir') return found;
    const files = this.#lookAt(folder, this.#list(folder, known));
    this.#folders.set(folder, files);
    this.#listed.delete(folder);
    this.#singles.delete(folder);
    return files;
  }

  #list(folder: BytePath, known: () => KnownListing | undefined = nothingKnown): Listed {
    const found = this.#listed.get(folder);
    if (found !== undefined) return found;
    const listed = this.lstat(folder)?.type === 'dir' ? this.#readNames(folder, known) : NOTHING;
    this.#listed.set(folder, listed);
    return listed;
  }

  #readNames(folder: BytePath, known: () => KnownListing | undefined): Listed {
    const seenAt = Date.now();
    const descriptor = this.#descriptor(folder);
    if (descriptor === undefined) return { ...NOTHING, seenAt };
    const mark = this.#listing.mark(folder, this.#readStamps(descriptor, folder, ITSELF), seenAt);
    const earlier = mark === '' ? undefined : known();
    const names = mark === earlier?.mark ? earlier.names : this.#listing.names(folder);
    return { names, mark, seenAt };
  }

  /** What was looked at by itself before stays as it was seen then. */
  #lookAt(folder: BytePath, { names, mark, seenAt }: Listed): FolderFiles {
    const descriptor = names.length === 0 ? undefined : this.#descriptor(folder);
    const stamps = descriptor === undefined ? makeStamps(names.length) : this.#readStamps(descriptor, folder, names);
    const singles = this.#singles.get(folder);
    const isThere = (index: number) => {
      const single = singles?.get(names[index] as string);
      if (single === undefined && singles?.has(names[index] as string)) return false;
      return single !== undefined || (isPresentAt(stamps, index) && typeAt(stamps, index) !== 'socket');
    };
    const files = new FolderFiles(present({ folder, names, stamps, mark, seenAt }, isThere), this.#reader);
    for (const [name, single] of singles ?? [])
      if (single !== undefined && files.indexOf(name) >= 0) files.adopt(files.indexOf(name), single);
    return files;
  }

  #single(folder: BytePath, name: string): FolderFiles | undefined {
    const singles = this.#singles.get(folder) ?? new Map<string, FolderFiles | undefined>();
    const known = singles.get(name);
    if (known !== undefined || singles.has(name)) return known;
    const found = this.#look(folder, name as BytePath);
    this.#singles.set(folder, singles.set(name, found));
    return found;
  }

  #look(folder: BytePath, name: BytePath): FolderFiles | undefined {
    if (this.lstat(folder)?.type !== 'dir' || name.includes('\0')) return undefined;
    const seenAt = Date.now();
    const descriptor = this.#descriptor(folder);
    const stamps = descriptor === undefined ? makeStamps(1) : this.#readStamps(descriptor, folder, [name]);
    if (!isPresentAt(stamps, 0) || typeAt(stamps, 0) === 'socket') return undefined;
    const files = new FolderFiles({ folder, names: [name], stamps, mark: '', seenAt }, this.#reader);
    return this.#listing.isLeftOut(files.path(0), typeAt(stamps, 0) === 'dir') ? undefined : files;
  }

  #descriptor(folder: BytePath): number | undefined {
    try {
      return this.#descriptors.of(folder);
    } catch (error) {
      throw unreadable(folder, error);
    }
  }

  #readStamps(descriptor: number, folder: BytePath, names: readonly BytePath[]): Stamps {
    try {
      return this.#stamps(descriptor, names);
    } catch (error) {
      // A name that is too long is no file's.
      if (names.length === 1 && errnoOf(error) === 'ENAMETOOLONG') return makeStamps(1);
      throw unreadable(folder, error);
    }
  }

  /** One for all entries. */
  readonly #reader: HostReader = {
    xattrs: (path) => {
      const known = this.#xattrs.get(path);
      if (known !== undefined) return known;
      const place = this.#place(path);
      const found = place === undefined ? NO_XATTRS : readXattrs(place);
      if (found.size > 0) this.#xattrs.set(path, found);
      return found;
    },
    target: (path, stamp) => {
      const target = this.#targets.get(path) ?? this.#readTarget(path, stamp);
      this.#targets.set(path, target);
      return target;
    },
  };

  #readTarget(path: BytePath, stamp: Stamps): BytePath {
    const [folder, name] = split(path);
    const place = this.#place(path);
    const target = place === undefined ? undefined : readTarget(place, path);
    const descriptor = this.#descriptor(folder);
    const now = descriptor === undefined ? makeStamps(1) : this.#readStamps(descriptor, folder, [name]);
    if (target === undefined || !isSameStamp(now, 0, stamp, 0)) throw changedLink(path);
    return target;
  }

  /** Where the file is, by its folder's descriptor: for use at once. */
  #place(path: BytePath): BytePath | undefined {
    const [folder, name] = split(path);
    const descriptor = this.#descriptor(folder);
    return descriptor === undefined ? undefined : (`/proc/self/fd/${descriptor}/${name}` as BytePath);
  }
}

interface Listed extends KnownListing {
  readonly seenAt: number;
}

const nothingKnown = () => undefined;
const NOTHING: Listed = { names: [], mark: '', seenAt: 0 };

/** Those that are there: mostly all. A listing with others in it is not one to go by later. */
function present(seen: SeenFiles, isThere: (index: number) => boolean): SeenFiles {
  const { names, stamps } = seen;
  if (names.every((_name, index) => isThere(index))) return seen;
  const kept = names.flatMap((_name, index) => (isThere(index) ? [index] : []));
  const keptStamps = makeStamps(kept.length);
  for (const [to, from] of kept.entries()) keptStamps.set(stampAt(stamps, from), to * STAMP_WORDS);
  return { ...seen, names: kept.map((index) => names[index] as BytePath), stamps: keptStamps, mark: '' };
}

function split(path: BytePath): readonly [folder: BytePath, name: BytePath] {
  const slash = path.lastIndexOf('/');
  return [(path.slice(0, slash) || '/') as BytePath, path.slice(slash + 1) as BytePath];
}

const NO_XATTRS: ReadonlyMap<string, string> = new Map();

function readXattrs(place: BytePath): ReadonlyMap<string, string> {
  const found = syscalls().listXattrs(place);
  if (found.size === 0) return NO_XATTRS;
  const kept = [...found].filter(([name]) => isLayerXattr(name));
  return new Map(kept.map(([name, value]) => [name, value.toString('latin1')]));
}

/** Undefined where there is no symlink any more. */
function readTarget(place: BytePath, path: BytePath): BytePath | undefined {
  try {
    return readlinkSync(hostPath(place), { encoding: 'latin1' }) as BytePath;
  } catch (error) {
    if (errnoOf(error) === 'EINVAL' || errnoOf(error) === 'ENOENT') return undefined;
    throw unreadable(path, error);
  }
}

function changedLink(path: BytePath): SlipwayError {
  return new SlipwayError(
    'SLIPWAY_CONTEXT_CHANGED',
    `"${displayPath(path)}" of the build context changed while the build was reading it: it was a symlink`,
    { hint: 'build again once nothing writes to the context' },
  );
}
