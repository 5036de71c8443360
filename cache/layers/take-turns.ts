/** Longest time that the event loop is held, in milliseconds. */
const SLICE = 40;

/**
 * For long work: what is returned is awaited after each short step. It lets everything else that waits have its turn where the steps took
 * long, and throws the signal's reason once that is aborted.
 */
export function takeTurns(signal: AbortSignal): () => Promise<void> {
  let sliceEnd = performance.now() + SLICE;
  return async () => {
    if (performance.now() >= sliceEnd) {
      await new Promise((resume) => setImmediate(resume));
      sliceEnd = performance.now() + SLICE;
    }
    signal.throwIfAborted();
  };
}
