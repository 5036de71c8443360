import type { HttpResponse } from './http-transport.ts';

/** An answer that was longer, or took longer, than anything that belongs there. */
export class BodyLimitError extends Error {}

const DEADLINE_MS = 60_000;

/**
 * Reads a whole answer of at most `limit` bytes within a minute, so that neither its size nor its slowness can hold the build
 * up. A body that goes on is cut off with BodyLimitError.
 */
export async function readBounded(
  response: HttpResponse,
  { limit, signal, deadlineMs = DEADLINE_MS }: { limit: number; signal: AbortSignal; deadlineMs?: number },
): Promise<Buffer> {
  const { body } = response;
  const slow = setTimeout(
    () => body.destroy(new BodyLimitError(`the answer was not complete after ${deadlineMs / 1000} s`)),
    deadlineMs,
  );
  const chunks: Uint8Array[] = [];
  let length = 0;
  try {
    for await (const chunk of body as AsyncIterable<Uint8Array>) {
      length += chunk.byteLength;
      if (length > limit) throw new BodyLimitError(`the answer is longer than ${limit} bytes`);
      chunks.push(chunk);
    }
    return Buffer.concat(chunks, length);
  } catch (error) {
    signal.throwIfAborted();
    throw error;
  } finally {
    clearTimeout(slow);
    response.discard();
  }
}
