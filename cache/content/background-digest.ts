import type { Digest } from '../../src/core/digest.ts';
import { type DigestState, startResumableDigest } from '../../src/core/resumable-digest.ts';
import { BackgroundQueue } from './background-queue.ts';

/** Smaller pieces are hashed together: the thread pool takes longer to be told of one than it takes to copy it. */
const SMALL = 256 * 1024;
const TOGETHER = 4 * SMALL;

/** A running digest that can work in the background. All but `append` may be called only once what was appended is flushed. */
export class BackgroundDigest {
  readonly #digest = startResumableDigest();
  readonly #room = Buffer.allocUnsafeSlow(TOGETHER);
  readonly #queue = new BackgroundQueue((batch) => this.#updateAll(batch));

  /** As `BackgroundQueue.append`. */
  append(bytes: Uint8Array, done?: () => void): Promise<void> {
    return this.#queue.append(bytes, done);
  }

  flush(): Promise<void> {
    return this.#queue.flush();
  }

  update(bytes: Uint8Array): void {
    this.#digest.update(bytes);
  }

  finish(): Digest {
    return this.#digest.finish();
  }

  /** See `ResumableDigest`. */
  state(): DigestState | undefined {
    return this.#digest.state();
  }

  resume(state: DigestState): void {
    this.#digest.resume(state);
  }

  async #updateAll(batch: readonly Uint8Array[]): Promise<void> {
    for (const bytes of gathered(joined(batch), this.#room)) await this.#digest.updateInBackground(bytes);
  }
}

/** The same bytes, those as one piece that lie side by side in memory. */
function* joined(pieces: readonly Uint8Array[]): Generator<Uint8Array> {
  let [last = Buffer.alloc(0)] = pieces;
  for (const next of pieces.slice(1)) {
    if (next.buffer === last.buffer && next.byteOffset === last.byteOffset + last.length) {
      last = new Uint8Array(last.buffer, last.byteOffset, last.length + next.length);
      continue;
    }
    yield last;
    last = next;
  }
  yield last;
}

/** The same bytes, small pieces together in `room`, which is used again when the next is asked for. */
function* gathered(pieces: Iterable<Uint8Array>, room: Buffer): Generator<Uint8Array> {
  let used = 0;
  for (const piece of pieces) {
    const isSmall = piece.length < SMALL;
    if (used > 0 && (!isSmall || used + piece.length > room.length)) {
      yield room.subarray(0, used);
      used = 0;
    }
    if (isSmall) {
      room.set(piece, used);
      used += piece.length;
    } else yield piece;
  }
  if (used > 0) yield room.subarray(0, used);
}
