/** So many bytes may wait before the caller does. */
const WAITING_LIMIT = 8 * 1024 * 1024;

interface Waiting {
  readonly bytes: Uint8Array;
  readonly done: () => void;
}

/**
 * Has bytes taken by something that works on the thread pool, in the order of the calls, while the caller goes on. Bytes must stay as they
 * are until they are taken.
 */
export class BackgroundQueue {
  readonly #take: (batch: readonly Uint8Array[]) => Promise<void>;
  #waiting: Waiting[] = [];
  #waitingBytes = 0;
  #work: Promise<void> | undefined;

  /** `take` is given as many as have come since it was called last, and not called again until it has settled. */
  constructor(take: (batch: readonly Uint8Array[]) => Promise<void>) {
    this.#take = take;
  }

  /** Resolves when more may be appended; rejects where something could not be taken, now or earlier. `done` is called when these bytes are. */
  async append(bytes: Uint8Array, done: () => void = () => {}): Promise<void> {
    this.#waiting.push({ bytes, done });
    this.#waitingBytes += bytes.length;
    if (this.#work === undefined) {
      this.#work = this.#takeWaiting();
      // Whoever waits for it next hears of it.
      this.#work.catch(() => {});
    }
    if (this.#waitingBytes > WAITING_LIMIT) await this.#work;
  }

  /** Resolves when everything is taken. */
  async flush(): Promise<void> {
    await this.#work;
  }

  /** Ends with a failure for good: what follows would not be where it belongs. */
  async #takeWaiting(): Promise<void> {
    while (this.#waiting.length > 0) {
      const batch = this.#waiting;
      [this.#waiting, this.#waitingBytes] = [[], 0];
      await this.#take(batch.map(({ bytes }) => bytes));
      for (const { done } of batch) done();
    }
    this.#work = undefined;
  }
}
