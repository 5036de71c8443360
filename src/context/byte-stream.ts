import { SlipwayError } from '../core/errors.ts';

/** A stream whose first bytes were looked at; `bytes` has them too. */
export interface PeekedStream {
  readonly head: Uint8Array;
  readonly bytes: AsyncIterable<Uint8Array>;
}

/** Reads at least `length` bytes ahead, where there are so many. */
export async function peek(stream: AsyncIterable<Uint8Array>, length: number): Promise<PeekedStream> {
  const iterator = stream[Symbol.asyncIterator]();
  const chunks: Uint8Array[] = [];
  let total = 0;
  while (total < length) {
    const next = await iterator.next();
    if (next.done === true) break;
    chunks.push(next.value);
    total += next.value.length;
  }
  const head = Buffer.concat(chunks);
  return { head, bytes: joined(head, iterator) };
}

async function* joined(head: Uint8Array, rest: AsyncIterator<Uint8Array>): AsyncGenerator<Uint8Array> {
  try {
    yield head;
    for (let next = await rest.next(); next.done !== true; next = await rest.next()) yield next.value;
  } finally {
    await rest.return?.();
  }
}

/** The whole stream as text in UTF-8. `SLIPWAY_DOCKERFILE_TOO_LARGE` above `limit` bytes; `name` says what it is. */
export async function readText(stream: AsyncIterable<Uint8Array>, limit: number, name: string): Promise<string> {
  const chunks: Uint8Array[] = [];
  let total = 0;
  for await (const chunk of stream) {
    total += chunk.length;
    if (total > limit) {
      throw new SlipwayError('SLIPWAY_DOCKERFILE_TOO_LARGE', `${name} has more than ${limit} bytes`);
    }
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString('utf8');
}
