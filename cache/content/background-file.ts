import { writev } from 'node:fs';

/** So many bytes may wait to be written before the caller does. */
const WAITING_LIMIT = 8 * 1024 * 1024;

/**
 * Appends to an open file on the thread pool, in the order of the calls, while the caller goes on. Bytes must stay as they are until they
 * are written. The file is the caller's, who closes it after a `flush` has settled.
 */
export class BackgroundFile {
  readonly #file: number;
  #waiting: Uint8Array[] = [];
  #waitingBytes = 0;
  #work: Promise<void> | undefined;

  constructor(file: number) {
    this.#file = file;
  }

  /** Resolves when more may be appended; rejects where something could not be written, now or earlier. */
  async append(bytes: Uint8Array): Promise<void> {
    this.#waiting.push(bytes);
    this.#waitingBytes += bytes.length;
    if (this.#work === undefined) {
      this.#work = this.#writeWaiting();
      // Whoever waits for it next hears of it.
      this.#work.catch(() => {});
    }
    if (this.#waitingBytes > WAITING_LIMIT) await this.#work;
  }

  /** Resolves when everything is written. */
  async flush(): Promise<void> {
    await this.#work;
  }

  /** Ends with a failure for good: what follows would not be where it belongs. */
  async #writeWaiting(): Promise<void> {
    while (this.#waiting.length > 0) {
      const batch = this.#waiting;
      [this.#waiting, this.#waitingBytes] = [[], 0];
      await writeAll(this.#file, batch);
    }
    this.#work = undefined;
  }
}

async function writeAll(file: number, buffers: readonly Uint8Array[]): Promise<void> {
  for (let rest = buffers; rest.length > 0; ) {
    const written = await new Promise<number>((resolve, reject) =>
      writev(file, rest, (error, count) => (error === null ? resolve(count) : reject(error))),
    );
    rest = without(rest, written);
  }
}

/** What is left of the buffers when their first bytes are gone. */
function without(buffers: readonly Uint8Array[], bytes: number): readonly Uint8Array[] {
  let gone = bytes;
  const rest: Uint8Array[] = [];
  for (const buffer of buffers) {
    const left = buffer.subarray(Math.min(gone, buffer.length));
    gone -= buffer.length - left.length;
    if (left.length > 0) rest.push(left);
  }
  return rest;
}
