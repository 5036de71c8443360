import { BLOCK } from './tar-format.ts';
import { parseTarNumber, type Refuse } from './tar-header.ts';

/** A stretch of a sparse file that has bytes in the archive. */
export interface SparseSegment {
  readonly offset: number;
  readonly length: number;
}

/** More is no file that a file system keeps as sparse; bounds what an archive can make a reader hold. */
const SEGMENT_LIMIT = 1_000_000;

/** Checks a map: in order, not overlapping, within the file, and exactly the bytes that the archive has. */
export function checkSparseMap(segments: readonly SparseSegment[], stored: number, size: number, refuse: Refuse): void {
  let end = 0;
  let total = 0;
  for (const { offset, length } of segments) {
    if (offset < end || offset + length > size) refuse('the map of a sparse file is not in order or exceeds the file');
    end = offset + length;
    total += length;
  }
  if (total !== stored) refuse(`the map of a sparse file has ${total} bytes, the archive ${stored}`);
}

const OLD_GNU = { map: 386, mapEntries: 4, extended: 482, size: 483, blockEntries: 21, blockExtended: 504 } as const;

/** The part of an old GNU sparse header (type `S`) that says where its bytes belong. */
export function parseOldSparseHeader(bytes: Buffer, offset: number, refuse: Refuse) {
  const segments: SparseSegment[] = [];
  addOldSegments(segments, bytes, offset + OLD_GNU.map, OLD_GNU.mapEntries, refuse);
  const size = parseTarNumber(bytes, offset + OLD_GNU.size, 12);
  if (size === undefined || size < 0) refuse('the size of a sparse file is no number');
  return { segments, size: size as number, more: bytes[offset + OLD_GNU.extended] !== 0 };
}

/** A block with more of the map; returns whether another follows. */
export function addOldSparseBlock(segments: SparseSegment[], bytes: Buffer, offset: number, refuse: Refuse): boolean {
  addOldSegments(segments, bytes, offset, OLD_GNU.blockEntries, refuse);
  if (segments.length > SEGMENT_LIMIT) refuse(`a sparse file has more than ${SEGMENT_LIMIT} segments`);
  return bytes[offset + OLD_GNU.blockExtended] !== 0;
}

function addOldSegments(into: SparseSegment[], bytes: Buffer, start: number, count: number, refuse: Refuse): void {
  for (let place = start; place < start + count * 24; place += 24) {
    if (bytes[place] === 0) return;
    const offset = parseTarNumber(bytes, place, 12);
    const length = parseTarNumber(bytes, place + 12, 12);
    if (offset === undefined || length === undefined || offset < 0 || length < 0)
      refuse('the map of a sparse file has something that is no number');
    else into.push({ offset, length });
  }
}

/** The map of PAX sparse formats 0.0 and 0.1: numbers in pairs. */
export function parseSparseNumbers(numbers: readonly string[], refuse: Refuse): SparseSegment[] {
  if (numbers.length % 2 !== 0 || numbers.length > 2 * SEGMENT_LIMIT) refuse('the map of a sparse file is cut off');
  const segments: SparseSegment[] = [];
  for (let index = 0; index < numbers.length; index += 2)
    segments.push({ offset: decimal(numbers[index], refuse), length: decimal(numbers[index + 1], refuse) });
  return segments;
}

/** Collects the map of PAX sparse format 1.0, which stands before the bytes: lines of decimal numbers, padded to a block. */
export class SparseMapLines {
  readonly #numbers: number[] = [];
  #line = '';

  /** Takes one block of it; returns the segments once all are there. */
  add(bytes: Buffer, offset: number, refuse: Refuse): SparseSegment[] | undefined {
    for (let index = offset; index < offset + BLOCK; index++) {
      if (bytes[index] !== 0x0a) {
        this.#line += String.fromCharCode(bytes[index] as number);
        if (this.#line.length > 20) refuse('the map of a sparse file has something that is no number');
        continue;
      }
      this.#numbers.push(decimal(this.#line, refuse));
      this.#line = '';
      if (this.#isComplete(refuse)) return this.#segments();
    }
    return undefined;
  }

  #isComplete(refuse: Refuse): boolean {
    const count = this.#numbers[0] ?? 0;
    if (count > SEGMENT_LIMIT) refuse(`a sparse file has more than ${SEGMENT_LIMIT} segments`);
    return this.#numbers.length === 1 + 2 * count;
  }

  #segments(): SparseSegment[] {
    const segments: SparseSegment[] = [];
    for (let index = 1; index < this.#numbers.length; index += 2)
      segments.push({ offset: this.#numbers[index] as number, length: this.#numbers[index + 1] as number });
    return segments;
  }
}

function decimal(text: string | undefined, refuse: Refuse): number {
  const value = text !== undefined && /^[0-9]{1,16}$/.test(text) ? Number(text) : Number.NaN;
  if (!Number.isSafeInteger(value)) refuse('the map of a sparse file has something that is no number');
  return value;
}
