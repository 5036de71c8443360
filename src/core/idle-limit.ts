/** A stream of which too little came. */
export class IdleError extends Error {}

/** Fewer bytes than this in the whole time are no progress: single bytes keep no connection open. */
const LEAST_BYTES = 1024;

/**
 * The chunks of a stream; `IdleError` after `idleMs` of waiting in which fewer than 1 KiB came. The time that the caller takes for a
 * chunk does not count. Leaving the iteration early cancels the stream.
 */
export async function* withIdleLimit(
  stream: ReadableStream<Uint8Array>,
  idleMs: number,
): AsyncGenerator<Uint8Array, void, undefined> {
  const reader = stream.getReader();
  let [waited, came] = [0, 0];
  try {
    for (;;) {
      const since = performance.now();
      const { done, value } = await readWithin(reader, idleMs - waited);
      if (done) return;
      waited += performance.now() - since;
      came += value.length;
      if (came >= LEAST_BYTES) [waited, came] = [0, 0];
      yield value;
    }
  } finally {
    await reader.cancel();
  }
}

async function readWithin(reader: ReadableStreamDefaultReader<Uint8Array>, ms: number) {
  const late = Promise.withResolvers<never>();
  const timer = setTimeout(() => late.reject(new IdleError()), Math.max(ms, 1));
  try {
    return await Promise.race([reader.read(), late.promise]);
  } finally {
    clearTimeout(timer);
  }
}
