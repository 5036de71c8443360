import { createHash, hash } from 'node:crypto';
import { setImmediate } from 'node:timers/promises';
import type { BytePath } from '../src/core/byte-path.ts';
import type { FileEntry, FileTree } from '../src/core/file-tree.ts';
import { type FolderState, isDigestKnown } from '../src/core/folder-state.ts';
import { typeAt } from '../src/core/host-stamp.ts';
import type { ContentSelection } from './content-selection.ts';
import type { DigestEntry } from './entry-digest.ts';
import { type FolderDigests, type RememberedFolder, recall } from './folder-digests.ts';
import { hashInThreads, threadsPay, type UnknownFiles } from './hash-in-threads.ts';

/** What the selected files in a folder of a tree come to. */
export interface DigestedFolder {
  readonly path: BytePath;
  /** Digest of the files in the folder itself; empty where none of them is selected. */
  readonly listing: string;
  /** Digest of the listing and the folders below; empty where nothing is selected. */
  readonly whole: string;
  /** By name, in byte order; those that are not selected themselves, too. */
  readonly folders: ReadonlyMap<BytePath, DigestedFolder>;
  /** How many files are selected in the folder itself. */
  readonly count: number;
  /** These files one by one; made when it is asked for. */
  files(): Iterable<DigestedFile>;
}

export interface DigestedFile {
  readonly name: BytePath;
  readonly entry: FileEntry;
  /** Of its bytes, 64 hex digits; empty for what has none. */
  readonly digest: string;
}

/** What files are digested with. */
export interface DigestServices {
  readonly folders: FolderDigests;
  /** Of trees that are not made of folders of this machine. */
  readonly digestEntry: DigestEntry;
  /** Of trees that are. */
  readonly digestState: DigestEntry;
  /** Folders of this machine that were looked at already. */
  readonly recalled: WeakMap<FolderState, RecalledFolder>;
}

/** A folder of this machine, and what is remembered of it. */
export interface RecalledFolder {
  readonly state: FolderState;
  /** Digest of all files in it, or empty where that is not known; undefined where one of them is not what it was. */
  readonly listing: string | undefined;
  readonly mark: string | undefined;
}

/** Of more files than this nobody asks for each one: there is a part for each folder, and of more folders, the deepest are part of those above them. */
export const PART_LIMIT = 4096;
/** Longest time that the event loop is held, in milliseconds. */
const SLICE = 40;
/** So much text is hashed at a time. */
const CHUNK = 64 * 1024;

/**
 * Digests folders of one tree. A folder's digest is one of what is in it and of the digests of its folders, so that a folder that did not
 * change is one comparison, and every other one is as large as what is in it.
 */
export class FolderDigester {
  readonly #tree: FileTree;
  readonly #exclude: ContentSelection['exclude'];
  readonly #services: DigestServices;
  readonly #signal: AbortSignal;
  #sliceEnd = performance.now() + SLICE;
  /** How many files of trees that would have to be read again are kept. */
  #kept = 0;

  constructor(
    tree: FileTree,
    exclude: ContentSelection['exclude'],
    options: DigestServices & { readonly signal: AbortSignal },
  ) {
    this.#tree = tree;
    this.#exclude = exclude;
    this.#services = options;
    this.#signal = options.signal;
  }

  /** A folder of the tree with everything below it. */
  async digest(path: BytePath): Promise<DigestedFolder> {
    if (performance.now() > this.#sliceEnd) await this.#pause();
    const { subfolders, ...listed } = await this.#list(path);
    const folders = new Map<BytePath, DigestedFolder>();
    let text = `${listed.listing}\0`;
    for (const name of subfolders) {
      const below = await this.digest(join(path, name));
      folders.set(name, below);
      if (below.whole !== '') text += `${name}\0${below.whole}\0`;
    }
    const whole = text === '\0' ? '' : hash('sha256', text, 'hex');
    return { path, whole, folders, ...listed };
  }

  /** Reads what has to be read below a folder by several threads, where that is much. */
  async readAhead(path: BytePath): Promise<void> {
    const unknown: UnknownFiles[] = [];
    const folders = [path];
    for (const folder of folders) {
      if (performance.now() > this.#sliceEnd) await this.#pause();
      const found = this.#recall(folder);
      if (found === undefined) return;
      const { state, listing = '' } = found;
      const positions: number[] = [];
      for (const [index, name] of state.names.entries()) {
        const type = typeAt(state.stamps, index);
        if (type === 'dir') folders.push(join(folder, name));
        else if (listing !== '' || type !== 'file' || isDigestKnown(state, index)) continue;
        else if (this.#isSelected(join(folder, name))) positions.push(index);
      }
      if (positions.length > 0) unknown.push({ folder: this.#tree.contentPath(folder), state, positions });
    }
    if (threadsPay(unknown)) await hashInThreads(unknown, this.#signal);
  }

  #isSelected(path: BytePath): boolean {
    if (this.#exclude === undefined) return true;
    const entry = this.#tree.lstat(path);
    return entry !== undefined && !this.#exclude(path, entry);
  }

  async #list(path: BytePath): Promise<Listed> {
    const { folders, digestEntry, digestState, recalled } = this.#services;
    const found = this.#recall(path);
    if (found === undefined) return this.#digestFiles(path, this.#tree.readdir(path), digestEntry);
    const { state, listing = '', mark } = found;
    const isUnchanged = listing !== '' && this.#exclude === undefined;
    const listed = isUnchanged
      ? this.#unchanged(path, state, listing)
      : await this.#digestFiles(path, state.names, digestState);
    const now = this.#exclude === undefined ? listed.listing : listing;
    if (now !== found.listing || state.mark !== mark) folders.set(this.#tree.contentPath(path), state, now);
    recalled.set(state, { state, listing: now, mark: state.mark });
    return listed;
  }

  /** A folder of this machine, with what is remembered of its files filled in. */
  #recall(path: BytePath): RecalledFolder | undefined {
    const { folders, recalled } = this.#services;
    let remembered: RememberedFolder | undefined;
    const state = this.#tree.folderState?.(path, () => {
      remembered = folders.get(this.#tree.contentPath(path));
      return remembered;
    });
    const known = state === undefined ? undefined : recalled.get(state);
    if (state === undefined || known !== undefined) return known;
    remembered ??= folders.get(this.#tree.contentPath(path));
    const listing = remembered === undefined ? undefined : recall(remembered, state);
    const found = { state, listing, mark: remembered?.mark };
    recalled.set(state, found);
    return found;
  }

  #unchanged(path: BytePath, state: FolderState, listing: string): Listed {
    const { names, stamps } = state;
    const subfolders = names.filter((_name, index) => typeAt(stamps, index) === 'dir');
    const files = () => this.#filesOf(path, names, this.#services.digestState);
    return { listing, subfolders, count: names.length, files };
  }

  async #digestFiles(path: BytePath, names: readonly BytePath[], digestOf: DigestEntry): Promise<Listed> {
    const running = createHash('sha256');
    const subfolders: BytePath[] = [];
    const isKept = digestOf !== this.#services.digestState && this.#kept + names.length <= PART_LIMIT;
    const kept = isKept ? ([] as DigestedFile[]) : undefined;
    if (isKept) this.#kept += names.length;
    let text = '';
    let count = 0;
    for (const name of names) {
      if (performance.now() > this.#sliceEnd) await this.#pause();
      const child = join(path, name);
      const entry = this.#tree.lstat(child);
      if (entry?.type === 'dir') subfolders.push(name);
      if (entry === undefined || this.#exclude?.(child, entry)) continue;
      const digest = digestOf(this.#tree, child, entry);
      text += fileLine(name, entry, digest);
      count++;
      kept?.push({ name, entry, digest });
      if (text.length < CHUNK) continue;
      running.update(text);
      text = '';
    }
    const listing = count === 0 ? '' : running.update(text).digest('hex');
    return { listing, subfolders, count, files: () => kept ?? this.#filesOf(path, names, digestOf) };
  }

  *#filesOf(path: BytePath, names: readonly BytePath[], digestOf: DigestEntry): Generator<DigestedFile> {
    for (const name of names) {
      const child = join(path, name);
      const entry = this.#tree.lstat(child);
      if (entry === undefined || this.#exclude?.(child, entry)) continue;
      yield { name, entry, digest: digestOf(this.#tree, child, entry) };
    }
  }

  /** Lets others go on. */
  async #pause(): Promise<void> {
    await setImmediate();
    this.#signal.throwIfAborted();
    this.#sliceEnd = performance.now() + SLICE;
  }
}

interface Listed extends Pick<DigestedFolder, 'listing' | 'count' | 'files'> {
  readonly subfolders: readonly BytePath[];
}

/** A file in a listing: no field contains a NUL, and every file has the same number of fields. */
export function fileLine(name: string, entry: FileEntry, digest: string): string {
  return `${name}\0${attributesOf(entry)}\0${digest}\0`;
}

/** What of an entry enters a digest, but for the bytes: as many fields for every file. */
export function attributesOf({ type, mode, uid, gid, size, target, device, xattrs }: FileEntry): string {
  const numbers = device === undefined ? '' : `${device.major}:${device.minor}`;
  const sorted = xattrs === undefined || xattrs.size === 0 ? '' : JSON.stringify([...xattrs].sort());
  return `${type}\0${mode.toString(8)}\0${uid}\0${gid}\0${size}\0${target ?? ''}\0${numbers}\0${sorted}`;
}

function join(folder: BytePath, name: BytePath): BytePath {
  return (folder === '/' ? `/${name}` : `${folder}/${name}`) as BytePath;
}
