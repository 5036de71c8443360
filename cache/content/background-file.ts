import { writev } from 'node:fs';
import { BackgroundQueue } from './background-queue.ts';

/** Appends to an open file in the background. The file is the caller's, who closes it after a `flush` has settled. */
export function backgroundFile(file: number): BackgroundQueue {
  return new BackgroundQueue((batch) => writeAll(file, batch));
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
