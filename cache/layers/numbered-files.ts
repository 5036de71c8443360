import type { BytePath } from '../../src/core/byte-path.ts';
import { DIGEST_BYTES, digestAt, setDigest } from '../../src/core/folder-state.ts';
import type { TreeContent } from './layer-store.ts';
import type { LayerFile } from './layer-tree.ts';

/** Files that are made anew whenever one is asked for, because there may be millions. */
export interface FileSource {
  readonly count: number;
  /** The file at a position. `name` is what the tree calls it. */
  file(index: number, name: string): LayerFile;
}

/** So many files are packed together at first; each time more, up to the limit. */
const FIRST_PACK = 16;
const LARGEST_PACK = 4096;

/** Files of one tree, each known by a number. */
export class NumberedFiles {
  /** The first number of each source, ascending. */
  readonly #firsts: number[] = [];
  readonly #sources: FileSource[] = [];
  #count = 0;
  /** The source that was asked last: files are mostly asked for one after the other. */
  #latest = 0;
  #open: { readonly pack: FilePack; readonly first: number } | undefined;
  /** Folders of packed files' bytes. */
  readonly #folders: BytePath[] = [];

  /** Takes a source on; its files have the numbers from the result on. */
  add(source: FileSource): number {
    const first = this.#count;
    this.#firsts.push(first);
    this.#sources.push(source);
    this.#count += source.count;
    return first;
  }

  /** Keeps the file as numbers where it is one of the usual kind, and returns its own; undefined for others. */
  pack(file: LayerFile, name: string): number | undefined {
    if (!isPackable(file)) return undefined;
    const path = file.content.path;
    const slash = path.lastIndexOf('/');
    const contentName = packedName(path.slice(slash + 1), name);
    if (contentName === undefined) return undefined;
    const { pack, first } = this.#roomyPack();
    return first + pack.push(file, { folder: this.#folderNumber(path, slash), name: contentName });
  }

  get(number: number, name: string): LayerFile {
    if (!this.#has(this.#latest, number)) this.#latest = this.#search(number);
    const source = this.#sources[this.#latest];
    if (source === undefined) throw new Error(`internal: no file has the number ${number}`);
    return source.file(number - (this.#firsts[this.#latest] ?? 0), name);
  }

  #has(at: number, number: number): boolean {
    return number >= (this.#firsts[at] ?? 0) && number < (this.#firsts[at + 1] ?? this.#count);
  }

  /** The last source whose first number is not above `number`. */
  #search(number: number): number {
    let low = 0;
    for (let high = this.#firsts.length; high - low > 1; ) {
      const middle = (low + high) >>> 1;
      if ((this.#firsts[middle] ?? 0) <= number) low = middle;
      else high = middle;
    }
    return low;
  }

  #roomyPack() {
    const open = this.#open;
    if (open?.pack.hasRoom) return open;
    const count = open === undefined ? FIRST_PACK : Math.min(open.pack.count * 2, LARGEST_PACK);
    const pack = new FilePack(count, this.#folders);
    this.#open = { pack, first: this.add(pack) };
    return this.#open;
  }

  /** Files of one folder come one after the other. */
  #folderNumber(path: BytePath, slash: number): number {
    const last = this.#folders.at(-1);
    if (last?.length !== slash || !path.startsWith(last)) this.#folders.push(path.slice(0, slash) as BytePath);
    return this.#folders.length - 1;
  }
}

type PackableFile = LayerFile & { readonly content: Extract<TreeContent, { kind: 'host' }> };

function isPackable(packed: LayerFile): packed is PackableFile {
  const { file, content } = packed;
  return (
    file.type === 'file' &&
    content?.kind === 'host' &&
    (file.xattrs === undefined || file.xattrs.size === 0) &&
    file.link === undefined &&
    file.host === undefined
  );
}

const OWN_NAME = 0;

/** The last component of where bytes lie, as a number: the file's own name, or a number itself plus 1. */
function packedName(contentName: string, name: string): number | undefined {
  if (contentName === name) return OWN_NAME;
  const number = Number(contentName);
  return String(number) === contentName && number >= 0 && number < 2 ** 32 - 1 && Number.isInteger(number)
    ? number + 1
    : undefined;
}

const WORDS = { mode: 0, uid: 1, gid: 2, dev: 3, folder: 4, name: 5, count: 6 } as const;
const NUMBERS = { size: 0, mtime: 1, mtimeMs: 2, ino: 3, count: 4 } as const;
/** Where only this process can write, nothing is said of the inode. */
const NO_INODE = -1;

/** Regular files without extended attributes and other names: 56 bytes each, and 32 for the digest where it is known. */
class FilePack implements FileSource {
  readonly count: number;
  readonly #folders: readonly BytePath[];
  readonly #words: Uint32Array;
  readonly #numbers: Float64Array;
  #digests: Buffer | undefined;
  #used = 0;

  constructor(count: number, folders: readonly BytePath[]) {
    this.count = count;
    this.#folders = folders;
    this.#words = new Uint32Array(count * WORDS.count);
    this.#numbers = new Float64Array(count * NUMBERS.count);
  }

  get hasRoom(): boolean {
    return this.#used < this.count;
  }

  push({ file, content }: PackableFile, place: { readonly folder: number; readonly name: number }): number {
    const index = this.#used++;
    const { inode, mtimeMs } = content;
    const words = [file.mode, file.uid, file.gid, inode?.dev ?? 0, place.folder, place.name];
    this.#words.set(words, index * WORDS.count);
    this.#numbers.set([file.size, file.mtime, mtimeMs, inode?.ino ?? NO_INODE], index * NUMBERS.count);
    const digest = inode?.digest;
    if (digest === undefined) return index;
    this.#digests ??= Buffer.alloc(this.count * DIGEST_BYTES);
    setDigest({ digests: this.#digests }, index, digest);
    return index;
  }

  file(index: number, name: string): LayerFile {
    const word = (field: number) => this.#words[index * WORDS.count + field] ?? 0;
    const number = (field: number) => this.#numbers[index * NUMBERS.count + field] ?? 0;
    const contentName = word(WORDS.name) === OWN_NAME ? name : String(word(WORDS.name) - 1);
    const path = `${this.#folders[word(WORDS.folder)]}/${contentName}` as BytePath;
    const common = { kind: 'host', path, mtimeMs: number(NUMBERS.mtimeMs) } as const;
    const ino = number(NUMBERS.ino);
    const digest = this.#digests === undefined ? undefined : digestAt({ digests: this.#digests }, index);
    return {
      file: {
        type: 'file',
        mode: word(WORDS.mode),
        uid: word(WORDS.uid),
        gid: word(WORDS.gid),
        size: number(NUMBERS.size),
        mtime: number(NUMBERS.mtime),
      },
      content: ino === NO_INODE ? common : { ...common, inode: { dev: word(WORDS.dev), ino, digest } },
    };
  }
}
