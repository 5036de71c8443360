import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { fileURLToPath } from 'node:url';
import { Worker } from 'node:worker_threads';
import type { BytePath } from '../src/core/byte-path.ts';
import { DIGEST_BYTES, type FolderState } from '../src/core/folder-state.ts';
import { makeStamps, STAMP_WORDS, sizeAt, stampAt } from '../src/core/host-stamp.ts';
import type { HashBatch, HashedBatch } from './hash-batch.ts';

/** Files of a folder of which nobody knows the digest yet. */
export interface UnknownFiles {
  /** Where the folder is on this machine. */
  readonly folder: BytePath;
  readonly state: FolderState;
  /** Positions of the files. */
  readonly positions: readonly number[];
}

/** A thread takes as long to start as this many files, or bytes, take to be read. */
const FILES_PAY = 3000;
const BYTES_PAY = 48 * 1024 * 1024;
const MOST_THREADS = 8;
/** One message has as many files or bytes as are read within some milliseconds. */
const BATCH_FILES = 256;
const BATCH_BYTES = 8 * 1024 * 1024;

/** Whether so many files are read faster by several threads. */
export function threadsPay(unknown: readonly UnknownFiles[]): boolean {
  if (availableParallelism() < 2) return false;
  let files = 0;
  let bytes = 0;
  for (const { state, positions } of unknown) {
    files += positions.length;
    for (const position of positions) bytes += sizeAt(state.stamps, position);
  }
  return files > FILES_PAY || (bytes > BYTES_PAY && files > 1);
}

/**
 * Reads the files by several threads and fills what they find into the states. A file that is not what it was, or cannot be read, is left
 * unknown. Ends when the signal says so, with its reason.
 */
export async function hashInThreads(unknown: readonly UnknownFiles[], signal: AbortSignal): Promise<void> {
  const batches = batchesOf(unknown);
  const threads = Array.from({ length: Math.min(availableParallelism(), MOST_THREADS) }, startThread);
  try {
    await Promise.all(threads.map((thread) => feed(thread, batches, signal)));
  } finally {
    await Promise.all(threads.map((thread) => thread.terminate()));
  }
}

/** Gives one thread the batches that no other has taken. */
async function feed(thread: Worker, batches: Generator<UnknownFiles>, signal: AbortSignal): Promise<void> {
  for (const batch of batches) {
    signal.throwIfAborted();
    thread.postMessage(messageOf(batch));
    const [hashed]: HashedBatch[] = await once(thread, 'message', { signal });
    if (hashed !== undefined) fillIn(batch, hashed);
  }
}

function* batchesOf(unknown: readonly UnknownFiles[]): Generator<UnknownFiles> {
  for (const { folder, state, positions } of unknown) {
    for (let start = 0, end = 0; start < positions.length; start = end) {
      let bytes = 0;
      for (; end < positions.length && end - start < BATCH_FILES && bytes < BATCH_BYTES; end++)
        bytes += sizeAt(state.stamps, positions[end] as number);
      yield { folder, state, positions: positions.slice(start, end) };
    }
  }
}

function messageOf({ folder, state, positions }: UnknownFiles): HashBatch {
  const stamps = makeStamps(positions.length);
  for (const [to, from] of positions.entries()) stamps.set(stampAt(state.stamps, from), to * STAMP_WORDS);
  return { folder, names: positions.map((position) => state.names[position] as BytePath), stamps };
}

function fillIn({ state, positions }: UnknownFiles, { digests, plain }: HashedBatch): void {
  for (const [from, to] of positions.entries()) {
    state.digests.set(digests.subarray(from * DIGEST_BYTES, (from + 1) * DIGEST_BYTES), to * DIGEST_BYTES);
    state.plain[to] = plain[from] ?? 0;
  }
}

/** The thread's code lies beside this module's source; or in the bundle, whose modules lie beside it or one folder deeper. */
function startThread(): Worker {
  const place = (path: string) => fileURLToPath(new URL(path, import.meta.url));
  const execArgv = ['--disable-warning=ExperimentalWarning'];
  if (import.meta.url.endsWith('.ts')) return new Worker(place('hash-worker.ts'), { execArgv });
  const bundled = place('hash-worker.cjs');
  return new Worker(existsSync(bundled) ? bundled : place('../hash-worker.cjs'));
}
