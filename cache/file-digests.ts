import type { BytePath } from '../src/core/byte-path.ts';
import type { HostState } from '../src/core/file-tree.ts';
import type { Database } from './database.ts';

/**
 * What was found out about files on this machine, remembered by what the system says of their inodes, so that a file that did not
 * change is not read again: SHA-256 digests of regular files, and which files and folders have no extended attributes. One row a
 * folder: 50,000 rows of one file each would take longer to look up than the files take to read.
 */
export interface FileDigests {
  /** What was noted for this very state of the file, or undefined. */
  lookup(file: HostFile): FileFacts | undefined;
  /** Remembers, unless the file is so young that it could still change without its state showing it. */
  note(file: HostFile, facts: FileFacts): void;
  /** Writes what was noted since the last time, in one transaction. */
  flush(): void;
}

export interface FileFacts {
  /** 64 hex digits; empty for a folder. */
  readonly digest: string;
  /** No extended attribute that a layer would keep. */
  readonly isPlain: boolean;
}

/** A file or folder of this machine, and the state that it was found in. */
export interface HostFile {
  readonly path: BytePath;
  readonly size: number;
  readonly state: HostState;
}

/**
 * A file that was changed less than this before it was read may be changed again within one tick of the filesystem's clock, and
 * then look the same (milliseconds; FAT has the coarsest clock). The ctime counts, because nothing sets it back.
 */
const RACY_WINDOW = 2000;
/** How stale the time of last use of a row may be, in milliseconds. */
const USE_RESOLUTION = 24 * 60 * 60 * 1000;
/** dev, ino, size, mtime, ctime and whether the file is plain (1) as doubles. */
const STAMP_FIELDS = 6;
const DIGEST_BYTES = 32;
const FOLDER_DIGEST = '0'.repeat(2 * DIGEST_BYTES);

interface FolderDigests {
  /** By name: the position in `stamps` (times `STAMP_FIELDS`) and `digests`. */
  readonly index: Map<string, number>;
  stamps: Float64Array;
  digests: Buffer;
  dirty: boolean;
}

/** Once rows of so many files are in memory, they are written, and read again when they are asked for. */
const HELD_FILES = 16 * 1024;

/** The digests in `database`. Rows stay in memory until there are many. */
export function openFileDigests(database: Database): FileDigests {
  const folders = new Map<string, FolderDigests>();
  let held = 0;
  let last: { readonly path: string; readonly folder: FolderDigests } | undefined;
  // Files of one folder come one after the other.
  const folderOf = (path: string) => {
    if (last?.path === path) return last.folder;
    const folder = folders.get(path) ?? open(path);
    last = { path, folder };
    return folder;
  };
  const open = (path: string) => {
    if (held > HELD_FILES) {
      flush();
      folders.clear();
      held = 0;
    }
    const folder = load(database, path);
    held += folder.index.size;
    folders.set(path, folder);
    return folder;
  };
  const flush = () => {
    const changed = [...folders].filter(([, folder]) => folder.dirty);
    if (changed.length === 0) return;
    database.transaction(() => {
      for (const [path, folder] of changed) save(database, path, folder);
    });
  };
  return {
    lookup(file) {
      const [path, name] = split(file.path);
      const folder = folderOf(path);
      const at = folder.index.get(name);
      if (at === undefined || !isSame(folder.stamps, at * STAMP_FIELDS, file)) return undefined;
      const digest = folder.digests.toString('hex', at * DIGEST_BYTES, (at + 1) * DIGEST_BYTES);
      return {
        digest: digest === FOLDER_DIGEST ? '' : digest,
        isPlain: folder.stamps[at * STAMP_FIELDS + STAMP_FIELDS - 1] === 1,
      };
    },
    note(file, { digest, isPlain }) {
      if (file.state.ctimeMs > Date.now() - RACY_WINDOW) return;
      const [path, name] = split(file.path);
      const folder = folderOf(path);
      const at = folder.index.get(name) ?? folder.index.size;
      if (at === folder.index.size) held++;
      folder.index.set(name, at);
      reserve(folder, at + 1);
      const { dev, ino, mtimeMs, ctimeMs } = file.state;
      folder.stamps.set([dev, ino, file.size, mtimeMs, ctimeMs, isPlain ? 1 : 0], at * STAMP_FIELDS);
      folder.digests.write(digest === '' ? FOLDER_DIGEST : digest, at * DIGEST_BYTES, 'hex');
      folder.dirty = true;
    },
    flush,
  };
}

function split(path: BytePath): readonly [folder: string, name: string] {
  const slash = path.lastIndexOf('/');
  return [path.slice(0, slash), path.slice(slash + 1)];
}

function isSame(stamps: Float64Array, at: number, { size, state }: HostFile): boolean {
  return (
    stamps[at] === state.dev &&
    stamps[at + 1] === state.ino &&
    stamps[at + 2] === size &&
    stamps[at + 3] === state.mtimeMs &&
    stamps[at + 4] === state.ctimeMs
  );
}

function reserve(folder: FolderDigests, count: number): void {
  if (folder.digests.length >= count * DIGEST_BYTES) return;
  const capacity = Math.max(16, count * 2);
  const stamps = new Float64Array(capacity * STAMP_FIELDS);
  stamps.set(folder.stamps);
  folder.stamps = stamps;
  folder.digests = Buffer.concat([folder.digests], capacity * DIGEST_BYTES);
}

function load(database: Database, path: string): FolderDigests {
  const empty = {
    index: new Map<string, number>(),
    stamps: new Float64Array(0),
    digests: Buffer.alloc(0),
    dirty: false,
  };
  const row = database.statement('SELECT names, stamps, digests, used_at FROM file_digests WHERE folder = ?').get(path);
  if (row === undefined) return empty;
  const { names, stamps, digests, used_at: usedAt } = row;
  if (typeof names !== 'string' || !(stamps instanceof Uint8Array) || !(digests instanceof Uint8Array)) return empty;
  const list = names.split('/');
  const index = new Map(list.map((name, at) => [name, at]));
  const fits = stamps.length === list.length * STAMP_FIELDS * 8 && digests.length === list.length * DIGEST_BYTES;
  if (!fits || index.size !== list.length) return empty;
  return {
    index,
    stamps: new Float64Array(stamps.slice().buffer),
    digests: Buffer.from(digests),
    dirty: Number(usedAt) < Date.now() - USE_RESOLUTION,
  };
}

function save(database: Database, path: string, folder: FolderDigests): void {
  const count = folder.index.size;
  database
    .statement('INSERT OR REPLACE INTO file_digests (folder, names, stamps, digests, used_at) VALUES (?, ?, ?, ?, ?)')
    .run(
      path,
      [...folder.index.keys()].join('/'),
      new Uint8Array(folder.stamps.buffer, 0, count * STAMP_FIELDS * 8),
      folder.digests.subarray(0, count * DIGEST_BYTES),
      Date.now(),
    );
  folder.dirty = false;
}
