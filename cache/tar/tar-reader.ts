import type { BytePath } from '../../src/core/byte-path.ts';
import { SlipwayError } from '../../src/core/errors.ts';
import { checkEntryCount, checkExpansion } from './expansion-limit.ts';
import {
  applyExtended,
  type ExtendedHeaders,
  type FullHeader,
  hasPending,
  withLongText,
  withPaxHeader,
} from './extended-headers.ts';
import {
  addOldSparseBlock,
  checkSparseMap,
  parseOldSparseHeader,
  SparseMapLines,
  type SparseSegment,
} from './sparse.ts';
import type { TarEntry, TarType } from './tar-entry.ts';
import { BLOCK, paddingOf } from './tar-format.ts';
import { isZeroBlock, parseTarDevice, parseTarHeader, type Refuse } from './tar-header.ts';

/** Takes an archive's entries as they come. Whatever it throws ends the reading. */
export interface TarVisitor {
  entry(entry: TarEntry): void;
  /** The next bytes of the file that `entry` announced. Valid during the call only. */
  data(bytes: Buffer): void;
  /** The next `length` bytes of the file are zeros that the archive does not have. */
  hole(length: number): void;
  /** All of the entry has been given. */
  entryEnd(): void;
}

/** Extended headers and long names above this are no archive that a tar writes; Go's reader has the same limit. */
const META_LIMIT = 1024 * 1024;
const GLOBAL_META_LIMIT = 16 * META_LIMIT;
/** 2^32 - 1 means "leave it" to chown(2). */
const OWNER_LIMIT = 0xffff_fffe;

const TYPES: Readonly<Record<string, TarType>> = {
  '0': 'file',
  '\0': 'file',
  '7': 'file',
  S: 'file',
  '1': 'hardlink',
  '2': 'symlink',
  '3': 'char',
  '4': 'block',
  '5': 'dir',
  '6': 'fifo',
};

/** What the next bytes are. */
type State =
  | { readonly at: 'header' }
  | { readonly at: 'meta'; readonly flag: 'x' | 'g' | 'L' | 'K'; readonly body: Buffer; filled: number }
  | { readonly at: 'sparse-header'; readonly header: FullHeader; readonly size: number; readonly map: SparseSegment[] }
  | { readonly at: 'sparse-lines'; readonly lines: SparseMapLines; readonly size: number; stored: number }
  | {
      readonly at: 'data';
      readonly map: readonly SparseSegment[];
      readonly size: number;
      readonly stored: number;
      segment: number;
      place: number;
      left: number;
    }
  | { readonly at: 'skip'; left: number }
  | { readonly at: 'done' };

/**
 * Reads an archive that is pushed into it: POSIX ustar with PAX extended headers, GNU tar's format with its long names, base-256
 * numbers and sparse files (old, PAX 0.0, 0.1, 1.0), and version 7. The archive is taken to be hostile: every header's checksum, every
 * number and the size of every header is checked, and what different readers understand differently is refused
 * (`SLIPWAY_TAR_INVALID`, which names `archive`), as are holes
 * that `checkExpansion` does not allow. Paths are given as they stand; nothing about where they lead is checked here.
 */
export class TarReader {
  readonly #archive: string;
  readonly #visitor: TarVisitor;
  readonly #block = Buffer.alloc(BLOCK);
  #blockFilled = 0;
  #state: State = { at: 'header' };
  #extended: ExtendedHeaders = { global: new Map() };
  #globalBytes = 0;
  #zeroBlocks = 0;
  #position = 0;
  #holeBytes = 0;
  #entries = 0;

  constructor(archive: string, visitor: TarVisitor) {
    this.#archive = archive;
    this.#visitor = visitor;
  }

  /** Takes the next bytes. What stands after the archive's end is ignored. */
  write(bytes: Uint8Array): void {
    const chunk = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    const start = this.#position;
    for (let offset = 0; offset < chunk.length && this.#state.at !== 'done'; ) {
      offset += this.#take(chunk, offset);
      this.#position = start + offset;
    }
  }

  /** Says that there are no more bytes: an error where something is missing. */
  end(): void {
    const { at } = this.#state;
    if (at === 'done') return;
    if (at !== 'header' || this.#blockFilled > 0) this.#refuse('the archive is cut off');
    if (hasPending(this.#extended)) this.#refuse('the archive ends after an extended header');
  }

  readonly #refuse: Refuse = (problem) => {
    throw new SlipwayError('SLIPWAY_TAR_INVALID', `${this.#archive}: ${problem} (at byte ${this.#position})`);
  };

  /** Handles some of the chunk and returns how much. */
  #take(chunk: Buffer, offset: number): number {
    const state = this.#state;
    switch (state.at) {
      case 'header':
      case 'sparse-header':
      case 'sparse-lines':
        return this.#takeBlock(chunk, offset);
      case 'meta': {
        const copied = chunk.copy(state.body, state.filled, offset);
        state.filled += copied;
        if (state.filled === state.body.length) this.#onMeta(state.flag, state.body);
        return copied;
      }
      case 'data':
        return this.#takeData(state, chunk, offset);
      case 'skip': {
        const skipped = Math.min(state.left, chunk.length - offset);
        state.left -= skipped;
        if (state.left === 0) this.#state = { at: 'header' };
        return skipped;
      }
      default:
        throw new Error(`internal: tar reader in state ${state.at}`);
    }
  }

  #takeBlock(chunk: Buffer, offset: number): number {
    if (this.#blockFilled === 0 && chunk.length - offset >= BLOCK) {
      this.#onBlock(chunk, offset);
      return BLOCK;
    }
    const copied = chunk.copy(this.#block, this.#blockFilled, offset);
    this.#blockFilled += copied;
    if (this.#blockFilled === BLOCK) {
      this.#blockFilled = 0;
      this.#onBlock(this.#block, 0);
    }
    return copied;
  }

  #onBlock(bytes: Buffer, offset: number): void {
    const state = this.#state;
    if (state.at === 'sparse-header') {
      if (!addOldSparseBlock(state.map, bytes, offset, this.#refuse))
        this.#startData(state.map, state.size, state.header.size);
      return;
    }
    if (state.at === 'sparse-lines') {
      if (state.stored < BLOCK) this.#refuse('the map of a sparse file is cut off');
      state.stored -= BLOCK;
      const map = state.lines.add(bytes, offset, this.#refuse);
      if (map !== undefined) this.#startData(map, state.size, state.stored);
      return;
    }
    if (isZeroBlock(bytes, offset)) {
      if (hasPending(this.#extended)) this.#refuse('the archive ends after an extended header');
      if (++this.#zeroBlocks === 2) this.#state = { at: 'done' };
      return;
    }
    if (this.#zeroBlocks > 0) this.#refuse('a header follows on a block of zeros');
    this.#onHeader(bytes, offset);
  }

  #onHeader(bytes: Buffer, offset: number): void {
    const header = parseTarHeader(bytes, offset, this.#refuse);
    const { flag } = header;
    if (flag === 'x' || flag === 'g' || flag === 'L' || flag === 'K') {
      // The size of such a header is its own; what an extended header says is for the entry that it comes before.
      this.#startMeta(flag, header.size);
      return;
    }
    if (flag === 'V') {
      if (hasPending(this.#extended)) this.#refuse('a volume label stands between an entry and its extended header');
      this.#skip(header.size + paddingOf(header.size));
      return;
    }
    const full = applyExtended(header, this.#extended, this.#refuse);
    if (flag === '\0' && header.name.endsWith('/') !== full.name.endsWith('/'))
      this.#refuse(`${JSON.stringify(full.name)} is a folder by one of its names only`);
    this.#extended = { global: this.#extended.global };
    this.#onEntry(full, bytes, offset);
  }

  #startMeta(flag: 'x' | 'g' | 'L' | 'K', size: number): void {
    if (size > META_LIMIT) this.#refuse(`an extended header has ${size} bytes, more than ${META_LIMIT}`);
    if (flag === 'g') {
      this.#globalBytes += size;
      if (this.#globalBytes > GLOBAL_META_LIMIT) this.#refuse('the global extended headers are too large');
      if (hasPending(this.#extended)) this.#refuse('a global extended header stands between an entry and its own');
    }
    if (size === 0) this.#onMeta(flag, Buffer.alloc(0));
    else this.#state = { at: 'meta', flag, body: Buffer.alloc(size), filled: 0 };
  }

  #onMeta(flag: 'x' | 'g' | 'L' | 'K', body: Buffer): void {
    this.#extended =
      flag === 'x' || flag === 'g'
        ? withPaxHeader(this.#extended, flag, body, this.#refuse)
        : withLongText(this.#extended, flag, body, this.#refuse);
    this.#skip(paddingOf(body.length));
  }

  #onEntry(header: FullHeader, bytes: Buffer, offset: number): void {
    checkEntryCount(this.#archive, ++this.#entries);
    const type = this.#typeOf(header);
    if (header.name === '') this.#refuse('an entry has no name');
    if (header.uid > OWNER_LIMIT || header.gid > OWNER_LIMIT)
      this.#refuse(`owner ${header.uid}:${header.gid} is out of range`);
    const isLink = type === 'symlink' || type === 'hardlink';
    if (isLink && header.target === '') this.#refuse(`the link ${JSON.stringify(header.name)} has no target`);
    // Readers disagree on whether bytes follow; a hard link's size is the file's in some archives, and no bytes follow in any.
    if (type !== 'file' && type !== 'hardlink' && header.size !== 0)
      this.#refuse(`${JSON.stringify(header.name)} is no regular file but has ${header.size} bytes`);

    const old = header.flag === 'S' ? parseOldSparseHeader(bytes, offset, this.#refuse) : undefined;
    if (old !== undefined && header.dialect !== 'gnu') this.#refuse('a sparse file of GNU tar in another format');
    const size = type === 'file' ? (old?.size ?? header.sparse?.size ?? header.size) : 0;
    this.#visitor.entry({
      path: header.name as BytePath,
      type,
      mode: header.mode,
      uid: header.uid,
      gid: header.gid,
      size,
      mtime: header.mtime,
      ...(isLink ? { target: header.target as BytePath } : {}),
      ...(type === 'char' || type === 'block' ? { device: parseTarDevice(bytes, offset, this.#refuse) } : {}),
      ...(header.xattrs === undefined ? {} : { xattrs: header.xattrs }),
    });

    if (old?.more === true) this.#state = { at: 'sparse-header', header, size, map: old.segments };
    else if (old !== undefined) this.#startData(old.segments, size, header.size);
    else if (type === 'file') this.#startFile(header, size);
    else this.#finishEntry(0);
  }

  #typeOf({ flag, name, sparse }: FullHeader): TarType {
    // Version 7 has no type for folders: their names end in a slash.
    const type = flag === '\0' && name.endsWith('/') ? 'dir' : Object.hasOwn(TYPES, flag) ? TYPES[flag] : undefined;
    if (type === undefined)
      return this.#refuse(`${JSON.stringify(name)} has type ${JSON.stringify(flag)}, which is not supported`);
    if (type === 'file' && name.endsWith('/'))
      this.#refuse(`the regular file ${JSON.stringify(name)} is named as a folder`);
    if (type !== 'file' && sparse !== undefined) this.#refuse(`${JSON.stringify(name)} is sparse but no regular file`);
    return type;
  }

  #startFile(header: FullHeader, size: number): void {
    const { sparse } = header;
    if (sparse === undefined) this.#startData([{ offset: 0, length: size }], size, size);
    else if (sparse.map === 'lines')
      this.#state = { at: 'sparse-lines', lines: new SparseMapLines(), size, stored: header.size };
    else this.#startData(sparse.map, size, header.size);
  }

  #startData(map: readonly SparseSegment[], size: number, stored: number): void {
    checkSparseMap(map, stored, size, this.#refuse);
    this.#state = { at: 'data', map, size, stored, segment: 0, place: 0, left: 0 };
    this.#nextSegment(this.#state);
  }

  /** Goes to the next stretch with bytes in the archive, over the hole before it; after the last one the entry ends. */
  #nextSegment(state: State & { at: 'data' }): void {
    while (state.left === 0) {
      const segment = state.map[state.segment++];
      const next = segment?.offset ?? state.size;
      if (next > state.place) this.#hole(next - state.place);
      if (segment === undefined) {
        this.#finishEntry(paddingOf(state.stored));
        return;
      }
      state.place = segment.offset + segment.length;
      state.left = segment.length;
    }
  }

  #hole(length: number): void {
    this.#holeBytes += length;
    checkExpansion(this.#archive, { taken: this.#position, given: this.#holeBytes });
    this.#visitor.hole(length);
  }

  #takeData(state: State & { at: 'data' }, chunk: Buffer, offset: number): number {
    const taken = Math.min(state.left, chunk.length - offset);
    this.#visitor.data(chunk.subarray(offset, offset + taken));
    state.left -= taken;
    if (state.left === 0) this.#nextSegment(state);
    return taken;
  }

  #finishEntry(padding: number): void {
    this.#visitor.entryEnd();
    this.#skip(padding);
  }

  #skip(bytes: number): void {
    this.#state = bytes === 0 ? { at: 'header' } : { at: 'skip', left: bytes };
  }
}

/** Reads a whole archive; see `TarReader`. `archive` names it in errors. */
export async function readTar(
  chunks: AsyncIterable<Uint8Array>,
  visitor: TarVisitor,
  { archive, signal }: { readonly archive: string; readonly signal?: AbortSignal },
): Promise<void> {
  const reader = new TarReader(archive, visitor);
  for await (const chunk of chunks) {
    signal?.throwIfAborted();
    reader.write(chunk);
  }
  reader.end();
}
