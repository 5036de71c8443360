import type { BytePath } from '../core/byte-path.ts';
import type { FileEntry, FileType, HostState } from '../core/file-tree.ts';
import { DIGEST_BYTES, digestAt, type FolderState, setDigest } from '../core/folder-state.ts';
import { ctimeAt, deviceAt, inodeAt, mtimeAt, type Stamps, stampAt, statAt } from '../core/host-stamp.ts';

/** Looks at a file once more, for what its stamp does not say. */
export interface HostReader {
  /** What a layer keeps of the extended attributes. */
  xattrs(path: BytePath): ReadonlyMap<string, string>;
  /** Where the symlink with this stamp points. */
  target(path: BytePath, stamp: Stamps): BytePath;
}

export interface SeenFiles {
  /** Path in the tree. */
  readonly folder: BytePath;
  readonly names: readonly BytePath[];
  readonly stamps: Stamps;
  readonly mark: string;
  readonly seenAt: number;
}

const ABSENT = -1;

/** The files of one folder of a tree, or some of them. Entries are made when they are asked for, and not kept. */
export class FolderFiles implements FolderState {
  readonly folder: BytePath;
  readonly names: readonly BytePath[];
  readonly stamps: Stamps;
  readonly mark: string;
  readonly seenAt: number;
  readonly digests: Buffer;
  readonly plain: Uint8Array;
  readonly reader: HostReader;
  #latest = ABSENT;

  constructor({ folder, names, stamps, mark, seenAt }: SeenFiles, reader: HostReader) {
    this.folder = folder;
    this.names = names;
    this.stamps = stamps;
    this.mark = mark;
    this.seenAt = seenAt;
    this.reader = reader;
    this.digests = Buffer.alloc(names.length * DIGEST_BYTES);
    this.plain = new Uint8Array(names.length);
  }

  /** The position of a name; -1 where there is none. Names are mostly asked for one after the other. */
  indexOf(name: string): number {
    this.#latest = this.names[this.#latest + 1] === name ? this.#latest + 1 : search(this.names, name);
    return this.#latest;
  }

  entry(name: string): FileEntry | undefined {
    const index = this.indexOf(name);
    return index === ABSENT ? undefined : this.entryAt(index);
  }

  entryAt(index: number): FileEntry {
    return new HostEntry(this, index);
  }

  path(index: number): BytePath {
    return `${this.folder === '/' ? '' : this.folder}/${this.names[index]}` as BytePath;
  }

  /** Takes over what is known of a file from when it was looked at by itself. */
  adopt(index: number, single: FolderFiles): void {
    this.stamps.set(single.stamps, index * single.stamps.length);
    this.digests.set(single.digests, index * DIGEST_BYTES);
    this.plain.set(single.plain, index);
  }
}

function search(names: readonly BytePath[], name: string): number {
  let low = 0;
  for (let high = names.length; low < high; ) {
    const middle = (low + high) >>> 1;
    if ((names[middle] as string) < name) low = middle + 1;
    else high = middle;
  }
  return names[low] === name ? low : ABSENT;
}

const NO_XATTRS: ReadonlyMap<string, string> = new Map();

/** A file of a folder's tree, owned by root. The extended attributes are read when they are asked for: few files have any. */
class HostEntry implements FileEntry {
  readonly type: FileType;
  readonly mode: number;
  readonly uid = 0;
  readonly gid = 0;
  readonly size: number;
  readonly mtime: number;
  readonly target?: BytePath;
  readonly device?: { readonly major: number; readonly minor: number };
  readonly link?: string;
  readonly #files: FolderFiles;
  readonly #index: number;
  #xattrs: ReadonlyMap<string, string> | undefined;

  constructor(files: FolderFiles, index: number) {
    const { type, mode, size, mtime, device, sharedInode } = statAt(files.stamps, index);
    this.#files = files;
    this.#index = index;
    this.type = type;
    this.mode = mode;
    this.size = type === 'file' ? size : 0;
    this.mtime = mtime;
    if (type === 'char' || type === 'block') this.device = device;
    if (sharedInode !== undefined) this.link = sharedInode;
    if (type === 'symlink') this.target = files.reader.target(files.path(index), stampAt(files.stamps, index));
  }

  get host(): HostState {
    return new SeenState(this.#files, this.#index);
  }

  get xattrs(): ReadonlyMap<string, string> {
    this.#xattrs ??= this.#readXattrs();
    return this.#xattrs;
  }

  #readXattrs(): ReadonlyMap<string, string> {
    const mayHave = (this.type === 'file' || this.type === 'dir') && this.#files.plain[this.#index] !== 1;
    return mayHave ? this.#files.reader.xattrs(this.#files.path(this.#index)) : NO_XATTRS;
  }
}

/** The state of one file: small, because a layer holds one for each. */
class SeenState implements HostState {
  readonly #files: FolderFiles;
  readonly #index: number;

  constructor(files: FolderFiles, index: number) {
    this.#files = files;
    this.#index = index;
  }

  get dev(): number {
    return deviceAt(this.#files.stamps, this.#index);
  }

  get ino(): number {
    return inodeAt(this.#files.stamps, this.#index);
  }

  get mtimeMs(): number {
    return mtimeAt(this.#files.stamps, this.#index);
  }

  get ctimeMs(): number {
    return ctimeAt(this.#files.stamps, this.#index);
  }

  get isPlain(): boolean {
    return this.#files.plain[this.#index] === 1;
  }

  set isPlain(isPlain: boolean) {
    this.#files.plain[this.#index] = isPlain ? 1 : 0;
  }

  get digest(): string | undefined {
    return digestAt(this.#files, this.#index);
  }

  set digest(digest: string | undefined) {
    if (digest !== undefined) setDigest(this.#files, this.#index, digest);
  }
}
