const MAGIC = 0xfd2fb528;
const SKIPPABLE = 0x184d2a50;
/** A frame's header: magic, descriptor, window, dictionary, content size (RFC 8878, section 3.1.1.1). */
const HEADER_LIMIT = 4 + 1 + 1 + 4 + 8;
const BLOCK_HEADER = 3;
const CHECKSUM = 4;

/**
 * Cuts zstd data so that no chunk has the end of one frame and the start of the next: Node's decoder takes frame after frame, but drops
 * what follows on a frame in the same chunk. What is no frame is passed on as it is, for the decoder to refuse.
 */
export async function* alignedFrames(chunks: AsyncIterable<Uint8Array>): AsyncGenerator<Buffer> {
  const frames = new FrameWalker();
  for await (const bytes of chunks) {
    let rest = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    while (rest.length > 0) {
      const length = frames.walk(rest);
      yield rest.subarray(0, length);
      rest = rest.subarray(length);
    }
  }
}

/** Follows the structure of frames through pieces of any size. */
class FrameWalker {
  /** Start of what is to be understood next, where a piece ended in the middle of it. */
  #head = Buffer.alloc(0);
  #next: 'frame' | 'block' | 'foreign' = 'frame';
  /** Bytes to pass over before that. */
  #skip = 0;
  #hasChecksum = false;

  /** How many bytes at the start of `bytes` are before the end of the frame; all of them where it does not end there. */
  walk(bytes: Buffer): number {
    let place = 0;
    while (place < bytes.length) {
      if (this.#next === 'foreign') return bytes.length;
      if (this.#skip > 0) {
        const skipped = Math.min(this.#skip, bytes.length - place);
        this.#skip -= skipped;
        place += skipped;
        if (this.#skip === 0 && this.#next === 'frame') return place;
        continue;
      }
      const wanted = this.#next === 'block' ? BLOCK_HEADER : HEADER_LIMIT;
      const known = this.#head.length;
      const head = Buffer.concat([this.#head, bytes.subarray(place, place + wanted - known)]);
      const used = this.#next === 'block' ? this.#block(head) : this.#frame(head);
      this.#head = used === undefined ? head : Buffer.alloc(0);
      place += (used ?? head.length) - known;
      if (used !== undefined && this.#next === 'frame' && this.#skip === 0) return place;
    }
    return place;
  }

  /** Understands a frame's header, and returns its length; undefined where more of it is needed. */
  #frame(head: Buffer): number | undefined {
    if (head.length < 4) return undefined;
    const magic = head.readUInt32LE();
    if ((magic & 0xfffffff0) >>> 0 === SKIPPABLE) {
      if (head.length < 8) return undefined;
      this.#skip = head.readUInt32LE(4);
      return 8;
    }
    if (magic !== MAGIC) {
      this.#next = 'foreign';
      return 0;
    }
    if (head.length < 5) return undefined;
    const descriptor = head.readUInt8(4);
    const isSingleSegment = (descriptor & 0x20) !== 0;
    const dictionary = [0, 1, 2, 4][descriptor & 3] ?? 0;
    const contentSize = [isSingleSegment ? 1 : 0, 2, 4, 8][descriptor >> 6] ?? 0;
    const length = 5 + (isSingleSegment ? 0 : 1) + dictionary + contentSize;
    if (head.length < length) return undefined;
    this.#hasChecksum = (descriptor & 4) !== 0;
    this.#next = 'block';
    return length;
  }

  #block(head: Buffer): number | undefined {
    if (head.length < BLOCK_HEADER) return undefined;
    const header = head.readUIntLE(0, BLOCK_HEADER);
    const isLast = (header & 1) === 1;
    const type = (header >> 1) & 3;
    const size = header >> 3;
    // A block of one repeated byte has that byte alone.
    this.#skip = type === 1 ? 1 : size;
    if (isLast) {
      this.#skip += this.#hasChecksum ? CHECKSUM : 0;
      this.#next = 'frame';
    }
    return BLOCK_HEADER;
  }
}
