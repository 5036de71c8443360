import type PQueue from 'p-queue';
import type { ContentStore } from '../../cache/content/content-store.ts';
import type { Descriptor } from '../core/descriptor.ts';
import type { Digest } from '../core/digest.ts';
import { SlipwayError } from '../core/errors.ts';
import { checkRoom } from '../core/free-space.ts';

/** How far the transfer of one blob is, in bytes. */
export interface TransferProgress {
  /** The image that the blob belongs to. */
  readonly ref: string;
  readonly digest: Digest;
  readonly current: number;
  readonly total: number;
}

export type TransferListener = (progress: TransferProgress) => void;

/** One blob on its way, and how many wait for it. */
interface Download {
  readonly done: Promise<void>;
  readonly abort: AbortController;
  waiting: number;
}

export interface DownloadRequest {
  readonly ref: string;
  readonly descriptor: Descriptor;
  /** Begins the transfer. The content store verifies what comes. */
  open(signal: AbortSignal): AsyncIterable<Uint8Array>;
}

/** As many as containerd fetches at once. */
const CONCURRENCY = 4;

/**
 * Brings blobs into the content store: each once, however many ask for it at the same time, a few at a time. A transfer ends
 * early only when everyone who waits for it was aborted.
 */
export class LayerDownloads {
  readonly #content: ContentStore;
  readonly #folder: string;
  readonly #onProgress: TransferListener | undefined;
  readonly #running = new Map<Digest, Download>();
  #queue: Promise<PQueue> | undefined;

  /** `folder` is on the disk that blobs have to fit on: `SLIPWAY_DISK_FULL` for one that does not. */
  constructor(content: ContentStore, folder: string, onProgress?: TransferListener) {
    this.#content = content;
    this.#folder = folder;
    this.#onProgress = onProgress;
  }

  /** Resolves when the blob is in the content store. */
  async ensure(request: DownloadRequest, signal: AbortSignal): Promise<void> {
    const { digest, size } = request.descriptor;
    while (this.#content.size(digest) !== size) {
      signal.throwIfAborted();
      const download = this.#running.get(digest) ?? this.#start(request);
      // Aborted by those who waited before: a new one starts when it has ended.
      if (download.abort.signal.aborted) await download.done.catch(() => {});
      else return await this.#join(download, signal);
    }
  }

  async #join(download: Download, signal: AbortSignal): Promise<void> {
    const left = Promise.withResolvers<never>();
    const leave = () => {
      if (download.waiting === 1) download.abort.abort(signal.reason);
      left.reject(signal.reason);
    };
    download.waiting++;
    signal.addEventListener('abort', leave, { once: true });
    try {
      await Promise.race([download.done, left.promise]);
    } finally {
      download.waiting--;
      signal.removeEventListener('abort', leave);
      // A failure waits for what it started.
      if (download.abort.signal.aborted) await download.done.catch(() => {});
    }
  }

  #start(request: DownloadRequest): Download {
    const { digest } = request.descriptor;
    const abort = new AbortController();
    const done = this.#transfer(request, abort.signal).finally(() => this.#running.delete(digest));
    // Everyone who waits may have left.
    done.catch(() => {});
    const download = { done, abort, waiting: 0 };
    this.#running.set(digest, download);
    return download;
  }

  async #transfer(request: DownloadRequest, signal: AbortSignal): Promise<void> {
    this.#queue ??= import('p-queue').then(({ default: Queue }) => new Queue({ concurrency: CONCURRENCY }));
    const queue = await this.#queue;
    await queue.add(async () => {
      signal.throwIfAborted();
      await this.#content
        .ingest(this.#reported(request, signal), request.descriptor, signal)
        .catch((error: unknown) => {
          throw ofImage(request.ref, error);
        });
    });
  }

  async *#reported({ ref, descriptor, open }: DownloadRequest, signal: AbortSignal): AsyncGenerator<Uint8Array> {
    const { digest, size: total } = descriptor;
    checkRoom(this.#folder, total, `pull ${ref}`);
    let current = 0;
    this.#onProgress?.({ ref, digest, current, total });
    for await (const chunk of open(signal)) {
      current += chunk.byteLength;
      yield chunk;
      this.#onProgress?.({ ref, digest, current, total });
    }
  }
}

/** The store knows what was wrong with a blob's bytes, but not whose blob it is. */
function ofImage(ref: string, error: unknown): unknown {
  if (!(error instanceof SlipwayError) || error.code !== 'SLIPWAY_BLOB_MISMATCH') return error;
  const hint = error.hint === undefined ? {} : { hint: error.hint };
  return new SlipwayError('SLIPWAY_BLOB_MISMATCH', `image ${ref}: ${error.message}`, { ...hint, cause: error });
}
