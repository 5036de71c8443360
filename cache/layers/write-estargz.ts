import type { BytePath } from '../../src/core/byte-path.ts';
import { MEDIA } from '../../src/core/descriptor.ts';
import { type DiffID, digestOf, type RunningDigest, startDigest } from '../../src/core/digest.ts';
import { SlipwayError } from '../../src/core/errors.ts';
import type { BlobWriter } from '../content/content-store.ts';
import type { TarEntry } from '../tar/tar-entry.ts';
import { TarReader, type TarVisitor } from '../tar/tar-reader.ts';
import { writeTar } from '../tar/tar-writer.ts';
import type { MemberCompression } from './compression.ts';
import {
  estargzFooter,
  LANDMARK_BYTES,
  LANDMARK_NAME,
  TOC_DIGEST_ANNOTATION,
  TOC_NAME,
  type TocChunk,
  type TocFile,
  tocJson,
  UNCOMPRESSED_SIZE_ANNOTATION,
} from './estargz-format.ts';
import { rootedPath } from './layer-path.ts';
import { type MemberOutput, memberOutput } from './member-output.ts';
import { takeTurns } from './take-turns.ts';
import { type BlobTarget, keptMembers, type WrittenBlob } from './write-blob.ts';

/** Longest piece of a file that has a member of its own, as in the reference implementation: what a reader fetches at once. */
const CHUNK_BYTES = 4 * 1024 * 1024;
/** Of all names and attributes in one layer; bounds what a table of contents takes. */
const ENTRY_LIMIT = 2_000_000;

/**
 * Writes a tar that comes in chunks as eStargz. The tar stays as it is, its end included; landmark and table of contents stand behind that
 * end, so that a plain reader sees the same files as in any other form, while the diffID is another. `tarDigest` is that of the tar
 * itself. `SLIPWAY_COMPRESSION_UNSUPPORTED` for what the table cannot say: sparse files, and files with its own names.
 */
export async function writeEstargz(
  chunks: Iterable<Buffer> | AsyncIterable<Buffer>,
  { content, members, signal }: BlobTarget,
  compression: MemberCompression,
): Promise<WrittenBlob> {
  using writer = content.writer();
  const output = memberOutput(writer, { table: members, compression });
  const pieces = new EstargzPieces(output);
  const tarDigest = startDigest();
  try {
    const turn = takeTurns(signal);
    for await (const chunk of chunks) {
      tarDigest.update(chunk);
      await pieces.add(chunk);
      await turn();
    }
    await pieces.endTar();
    const { tocDigest, ...written } = await finish(writer, pieces, output);
    const blob = writer.commit();
    members.save(blob.digest, keptMembers(output.members));
    const annotations = {
      [TOC_DIGEST_ANNOTATION]: tocDigest,
      [UNCOMPRESSED_SIZE_ANNOTATION]: String(written.uncompressedBytes),
    };
    return {
      descriptor: { mediaType: MEDIA.ociLayerGzip, ...blob, annotations },
      diffId: written.diffId,
      tarDigest: tarDigest.finish(),
    };
  } finally {
    await output.settle();
  }
}

/** Landmark, table of contents and footer. */
async function finish(writer: BlobWriter, pieces: EstargzPieces, output: MemberOutput) {
  await pieces.add(fileTar(LANDMARK_NAME, LANDMARK_BYTES, 'open'), 'landmark');
  await pieces.flush();
  await output.finish();
  const toc = tocJson(pieces.files, (member) => output.members[member]?.place ?? missingMember(member));
  await pieces.addRaw(fileTar(TOC_NAME, toc, 'ended'));
  await output.finish();
  const tocOffset = output.members.at(-1)?.place ?? missingMember(-1);
  writer.write(estargzFooter(tocOffset));
  return { tocDigest: digestOf(toc), ...pieces.total() };
}

function missingMember(member: number): never {
  throw new Error(`internal: no member ${member}`);
}

/** An archive of one file, with or without its end. */
function fileTar(name: string, bytes: Buffer, end: 'open' | 'ended'): Buffer {
  const entry = { type: 'file', mode: 0o444, uid: 0, gid: 0, mtime: 0 } as const;
  let place = 0;
  const open = () => ({
    read: (into: Buffer) => {
      const length = bytes.copy(into, 0, place);
      place += length;
      return length;
    },
    [Symbol.dispose]: () => {},
  });
  const item = { entry: { ...entry, path: name as BytePath, size: bytes.length }, open };
  const [archive, trailer] = [
    ...writeTar([item], { allocate: () => Buffer.alloc(bytes.length + 4 * 512 - (bytes.length % 512)) }),
  ];
  if (archive === undefined || trailer === undefined)
    throw new Error('internal: an archive of one file without an end');
  return end === 'open' ? archive : Buffer.concat([archive, trailer]);
}

/**
 * Cuts a tar into the pieces that become members: every chunk of a file's bytes starts one, which goes on to the next file's bytes. Notes
 * where each file went.
 */
class EstargzPieces {
  readonly files: TocFile[] = [];
  readonly #output: MemberOutput;
  readonly #diffDigest = startDigest();
  #bytes = 0;
  #reader = new TarReader('the layer', this.#visitor());
  /** The member that is being collected. */
  #piece: Buffer[] = [];
  /** Its number. */
  #member = 0;
  /** Pieces that are complete but not handed on. */
  readonly #complete: Buffer[] = [];
  /** Where in the chunk at hand the bytes start that no piece has yet. */
  #taken = 0;
  #chunk: Buffer = Buffer.alloc(0);
  #file: OpenFile | undefined;

  constructor(output: MemberOutput) {
    this.#output = output;
  }

  /** Takes the next bytes. They are copied. `landmark`: they are behind the archive's end. */
  async add(chunk: Buffer, part: 'tar' | 'landmark' = 'tar'): Promise<void> {
    if (part === 'landmark') this.#reader = new TarReader('the landmark', this.#visitor());
    this.#chunk = chunk;
    this.#taken = 0;
    this.#reader.write(chunk);
    this.#take(chunk.length);
    await this.#handOn();
  }

  /** The tar is complete: an error where something is missing. */
  async endTar(): Promise<void> {
    this.#reader.end();
  }

  /** Ends the member that is being collected. */
  async flush(): Promise<void> {
    this.#cut();
    await this.#handOn();
  }

  /** Bytes that become a member of their own, unread. */
  async addRaw(bytes: Buffer): Promise<void> {
    this.#piece.push(bytes);
    await this.flush();
  }

  total(): { readonly diffId: DiffID; readonly uncompressedBytes: number } {
    return { diffId: this.#diffDigest.finish() as DiffID, uncompressedBytes: this.#bytes };
  }

  async #handOn(): Promise<void> {
    for (let piece = this.#complete.shift(); piece !== undefined; piece = this.#complete.shift()) {
      this.#diffDigest.update(piece);
      this.#bytes += piece.length;
      await this.#output.addTar(piece);
    }
  }

  /** Moves the chunk's bytes up to `end` into the piece. */
  #take(end: number): void {
    if (end > this.#taken) this.#piece.push(Buffer.from(this.#chunk.subarray(this.#taken, end)));
    this.#taken = end;
  }

  #cut(): void {
    if (this.#piece.length === 0) return;
    this.#complete.push(Buffer.concat(this.#piece));
    this.#piece = [];
    this.#member++;
  }

  #visitor(): TarVisitor {
    return {
      entry: (entry) => this.#start(entry),
      data: (bytes) => this.#data(bytes),
      hole: () => {
        throw unsupported('a sparse file');
      },
      entryEnd: () => this.#end(),
    };
  }

  #start(entry: TarEntry): void {
    const path = rootedPath(entry.path);
    if (path === `/${TOC_NAME}`) throw unsupported(`a file named ${TOC_NAME}`);
    if (this.files.length >= ENTRY_LIMIT) throw unsupported(`more than ${ENTRY_LIMIT} files`);
    this.#file = { entry, chunks: [], place: 0, whole: startDigest(), chunk: undefined };
  }

  #data(bytes: Buffer): void {
    const file = this.#file;
    if (file === undefined) throw new Error('internal: bytes of no file');
    let start = bytes.byteOffset - this.#chunk.byteOffset;
    for (let done = 0; done < bytes.length; ) {
      if (file.chunk === undefined) {
        this.#take(start);
        this.#cut();
        file.chunk = { member: this.#member, fileOffset: file.place, digest: startDigest(), size: 0 };
      }
      const part = bytes.subarray(done, done + CHUNK_BYTES - file.chunk.size);
      file.chunk.digest.update(part);
      file.chunk.size += part.length;
      if (file.entry.size > CHUNK_BYTES) file.whole.update(part);
      done += part.length;
      start += part.length;
      file.place += part.length;
      if (file.chunk.size === CHUNK_BYTES || file.place === file.entry.size) endChunk(file);
    }
  }

  #end(): void {
    const file = this.#file;
    if (file === undefined) throw new Error('internal: the end of no file');
    this.#file = undefined;
    const { entry, chunks, whole } = file;
    // What fits in one chunk is not hashed twice.
    const digest = entry.size > 0 && chunks.length === 1 && chunks[0] !== undefined ? chunks[0].digest : whole.finish();
    this.files.push(entry.type === 'file' ? { entry, digest, chunks } : { entry, chunks });
  }
}

interface OpenFile {
  readonly entry: TarEntry;
  readonly chunks: TocChunk[];
  readonly whole: RunningDigest;
  place: number;
  chunk:
    | { readonly member: number; readonly fileOffset: number; readonly digest: RunningDigest; size: number }
    | undefined;
}

function endChunk(file: OpenFile): void {
  if (file.chunk === undefined) return;
  const { member, fileOffset, size, digest } = file.chunk;
  file.chunks.push({ member, fileOffset, size, digest: digest.finish() });
  file.chunk = undefined;
}

function unsupported(what: string): SlipwayError {
  return new SlipwayError('SLIPWAY_COMPRESSION_UNSUPPORTED', `a layer has ${what}, which estargz cannot hold`, {
    hint: 'use compression=gzip or compression=zstd',
  });
}
