import type { PlacedContent } from '../tar/tar-writer.ts';

/** Files are compared by pieces of this size, counted from their start. */
const PIECE = 32 * 1024;
/** Shorter repetitions are not worth the window that the compressor loses when it starts anew. */
const SHORTEST_RUN = 2;
/** Files that may have a run. */
export const LARGE_FILE = SHORTEST_RUN * PIECE;
/** How many different pieces are remembered: 32 MB. */
const REMEMBERED = 1024;
/** Bytes that stand for a piece until it is compared as a whole, spread over it. */
const SAMPLES = 16;

/** Bytes of a chunk that came before in the same tar. Equal names mean equal bytes. */
export interface RepeatedRun {
  readonly start: number;
  readonly end: number;
  readonly name: string;
}

interface Piece {
  readonly id: number;
  readonly bytes: Buffer;
  /** The id of the piece that followed it when it was last met. */
  next: number | undefined;
}

interface OpenRun {
  readonly start: number;
  readonly pieces: Piece[];
}

/**
 * Finds what repeats in large files, farther back than a compressor looks: pieces that were met before in the same succession. What
 * it finds follows from the tar alone, and its memory is bounded: of many different pieces only the last 32 MB are known.
 */
export class RepeatedRuns {
  /** By sample; those that were met last stand last. */
  readonly #pieces = new Map<number, Piece>();
  #nextId = 0;

  /** The runs in a file's bytes, in their order. */
  find({ item, fileOffset, chunk, start, end }: PlacedContent): RepeatedRun[] {
    if (item.entry.size < LARGE_FILE) return [];
    const runs: RepeatedRun[] = [];
    let open: OpenRun | undefined;
    const close = () => {
      if (open !== undefined && open.pieces.length >= SHORTEST_RUN) runs.push(closed(open));
      open = undefined;
    };
    let previous: Piece | undefined;
    const first = start + ((PIECE - (fileOffset % PIECE)) % PIECE);
    for (let at = first; at + PIECE <= end; at += PIECE) {
      const { piece, isKnown } = this.#meet(chunk.subarray(at, at + PIECE));
      if (!isKnown || open === undefined || previous?.next !== piece.id) close();
      if (isKnown) {
        open ??= { start: at, pieces: [] };
        open.pieces.push(piece);
      }
      if (previous !== undefined) previous.next = piece.id;
      previous = piece;
    }
    close();
    return runs;
  }

  #meet(bytes: Buffer): { readonly piece: Piece; readonly isKnown: boolean } {
    const sample = sampleOf(bytes);
    const known = this.#pieces.get(sample);
    this.#pieces.delete(sample);
    const isKnown = known?.bytes.equals(bytes) === true;
    const piece = isKnown ? known : { id: this.#nextId++, bytes: this.#keep(bytes, known), next: undefined };
    this.#pieces.set(sample, piece);
    return { piece, isKnown };
  }

  /** A copy, in the memory of the piece that it replaces, or of the one that was not met for longest. */
  #keep(bytes: Buffer, replaced: Piece | undefined): Buffer {
    let room = replaced?.bytes;
    if (room === undefined && this.#pieces.size >= REMEMBERED) {
      const [oldest] = this.#pieces;
      if (oldest !== undefined) {
        this.#pieces.delete(oldest[0]);
        room = oldest[1].bytes;
      }
    }
    room ??= Buffer.allocUnsafeSlow(PIECE);
    bytes.copy(room);
    return room;
  }
}

function closed({ start, pieces }: OpenRun): RepeatedRun {
  return { start, end: start + pieces.length * PIECE, name: pieces.map(({ id }) => id).join(' ') };
}

function sampleOf(bytes: Buffer): number {
  let mixed = 0;
  for (let index = 0; index < SAMPLES; index++)
    mixed = Math.imul(mixed ^ bytes.readUInt32LE(index * (PIECE / SAMPLES)), 0x9e3779b1) ^ (mixed >>> 15);
  return mixed;
}
