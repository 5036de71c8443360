import type { BytePath } from '../src/core/byte-path.ts';
import {
  DIGEST_BYTES,
  type FileFacts,
  type FolderState,
  isDigestKnown,
  type KnownListing,
  RACY_WINDOW,
} from '../src/core/folder-state.ts';
import { ctimeAt, isSameStamp, STAMP_WORDS, typeAt } from '../src/core/host-stamp.ts';
import type { Database } from './database.ts';

/** A folder of a build context as it was when all its files were digested. What is not known of a file any more has a stamp of zeros. */
export interface RememberedFolder extends KnownListing, FileFacts {
  /** Digest of the names, attributes and bytes of all files in it; empty where one of them is not known. */
  readonly listing: string;
}

/**
 * What was found out about folders of this machine that are read whole, one row a folder: that a folder of files is what it was takes one
 * comparison of memory then, and no object a file.
 */
export interface FolderDigests {
  get(folder: BytePath): RememberedFolder | undefined;
  /** Remembers the folder in place of what was known of it. Files so young that they could still change unnoticed are left out. */
  set(folder: BytePath, state: FolderState, listing: string): void;
  /** Writes what is not written yet, in one transaction. */
  flush(): void;
}

/** How stale the time of last use of a row may be, in milliseconds. */
const USE_RESOLUTION = 24 * 60 * 60 * 1000;
/** So many bytes are written at a time, that memory does not grow with the context. */
const FLUSH_BYTES = 4 * 1024 * 1024;
const FIELDS = 'names, mark, listing, stamps, digests, plain';

/** The rows in `database`. */
export function openFolderDigests(database: Database): FolderDigests {
  const pending = new Map<BytePath, RememberedFolder>();
  const stale: BytePath[] = [];
  let bytes = 0;
  const flush = () => {
    if (pending.size === 0 && stale.length === 0) return;
    database.transaction(() => {
      for (const [folder, row] of pending) save(database, folder, row);
      const touch = database.statement('UPDATE folder_digests SET used_at = ? WHERE folder = ?');
      for (const folder of stale) touch.run(Date.now(), folder);
    });
    pending.clear();
    stale.length = 0;
    bytes = 0;
  };
  return {
    get(folder) {
      const waiting = pending.get(folder);
      if (waiting !== undefined) return waiting;
      const row = load(database, folder);
      if (row !== undefined && row.usedAt < Date.now() - USE_RESOLUTION) stale.push(folder);
      return row;
    },
    set(folder, state, listing) {
      const row = remembered(state, listing);
      if (row === undefined) return;
      pending.set(folder, row);
      bytes += row.stamps.byteLength + row.digests.byteLength;
      if (bytes > FLUSH_BYTES) flush();
    },
    flush,
  };
}

/**
 * Fills in what is remembered of those files that did not change since. Where that is all of them, and there are no others, returns the
 * digest of the listing, which may be empty.
 */
export function recall(
  { names, stamps, digests, plain, listing }: RememberedFolder,
  state: FolderState,
): string | undefined {
  const bytesOf = (array: Uint32Array) => Buffer.from(array.buffer, array.byteOffset, array.byteLength);
  const hasSameNames = names === state.names || (names.length === state.names.length && names.every(isNameIn(state)));
  if (hasSameNames && bytesOf(stamps).equals(bytesOf(state.stamps))) {
    state.digests.set(digests);
    state.plain.set(plain);
    return listing;
  }
  // Both are sorted.
  let from = 0;
  for (const [to, name] of state.names.entries()) {
    while (from < names.length && (names[from] as string) < name) from++;
    if (names[from] !== name || !isSameStamp(stamps, from, state.stamps, to)) continue;
    state.digests.set(digests.subarray(from * DIGEST_BYTES, (from + 1) * DIGEST_BYTES), to * DIGEST_BYTES);
    state.plain[to] = plain[from] ?? 0;
  }
  return undefined;
}

function isNameIn({ names }: FolderState): (name: BytePath, index: number) => boolean {
  return (name, index) => names[index] === name;
}

/** The row for a folder; undefined where it would say nothing. */
function remembered(state: FolderState, listing: string): RememberedFolder | undefined {
  const { names, mark, digests, plain } = state;
  const forgotten = [...names.keys()].filter((index) => isYoung(state, index) || isUnknown(state, index));
  if (forgotten.length === names.length) return undefined;
  if (forgotten.length === 0) return { names, mark, stamps: state.stamps, digests, plain, listing };
  const stamps = state.stamps.slice();
  for (const index of forgotten) stamps.fill(0, index * STAMP_WORDS, (index + 1) * STAMP_WORDS);
  return { names, mark, stamps, digests, plain, listing: '' };
}

function isYoung({ stamps, seenAt }: FolderState, index: number): boolean {
  return ctimeAt(stamps, index) > seenAt - RACY_WINDOW;
}

/** A file of which nobody asked the digest. */
function isUnknown(state: FolderState, index: number): boolean {
  return typeAt(state.stamps, index) === 'file' && !isDigestKnown(state, index);
}

interface Row extends RememberedFolder {
  readonly usedAt: number;
}

/** Undefined as well where the row is damaged. */
function load(database: Database, folder: BytePath): Row | undefined {
  const row = database.statement(`SELECT ${FIELDS}, used_at FROM folder_digests WHERE folder = ?`).get(folder);
  if (row === undefined) return undefined;
  const { names, mark, listing, stamps, digests, plain, used_at: usedAt } = row;
  if (typeof names !== 'string' || typeof mark !== 'string' || typeof listing !== 'string') return undefined;
  if (!(stamps instanceof Uint8Array && digests instanceof Uint8Array && plain instanceof Uint8Array)) return undefined;
  const list = names.split('/') as BytePath[];
  const fits =
    stamps.length === list.length * STAMP_WORDS * Uint32Array.BYTES_PER_ELEMENT &&
    digests.length === list.length * DIGEST_BYTES &&
    plain.length === list.length;
  if (!fits) return undefined;
  return {
    names: list,
    mark,
    listing,
    stamps: wordsOf(stamps),
    digests: Buffer.from(digests.buffer, digests.byteOffset, digests.byteLength),
    plain,
    usedAt: Number(usedAt),
  };
}

/** Copied only where they do not begin at the start of a word. */
function wordsOf({ buffer, byteOffset, byteLength }: Uint8Array): Uint32Array {
  const aligned = byteOffset % Uint32Array.BYTES_PER_ELEMENT === 0;
  const [from, at] = aligned ? [buffer, byteOffset] : [buffer.slice(byteOffset, byteOffset + byteLength), 0];
  return new Uint32Array(from, at, byteLength / Uint32Array.BYTES_PER_ELEMENT);
}

function save(database: Database, folder: BytePath, row: RememberedFolder): void {
  const { names, mark, listing, stamps, digests, plain } = row;
  const bytes = new Uint8Array(stamps.buffer, stamps.byteOffset, stamps.byteLength);
  database
    .statement(`INSERT OR REPLACE INTO folder_digests (folder, used_at, ${FIELDS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?)`)
    .run(folder, Date.now(), names.join('/'), mark, listing, bytes, digests, plain);
}
