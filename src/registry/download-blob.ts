import type { Descriptor } from '../core/descriptor.ts';
import { SlipwayError } from '../core/errors.ts';
import { connectionFailure } from './connection-failure.ts';
import { refusalOf } from './destination.ts';
import type { HttpResponse } from './http-transport.ts';
import { isNotFound, type RegistryClient, type RegistryRequest, type Repository } from './registry-client.ts';
import { invalidAnswer, type RequestSubject, TemporaryFailure } from './registry-error.ts';
import { delayBefore, pause } from './retry.ts';

export interface BlobDownload {
  readonly repository: Repository;
  readonly descriptor: Descriptor;
  /** For errors: `pull localhost:5000/x:latest`. */
  readonly task: string;
}

/** Fewer bytes than this in a client's idle time are no progress: a connection kept open by single bytes is given up. */
const LEAST_BYTES = 1024;
/** After so many bytes an interruption counts as the first again. */
const PROGRESS_BYTES = 1024 * 1024;

/**
 * The bytes of a blob, exactly as many as the descriptor says; the caller verifies the digest. A cut connection is taken up
 * again where it ended. Errors: SLIPWAY_REGISTRY_INVALID for a wrong size, a missing blob, and the client's.
 */
export async function* downloadBlob(
  client: RegistryClient,
  download: BlobDownload,
  signal: AbortSignal,
): AsyncGenerator<Uint8Array, void, undefined> {
  const { size } = download.descriptor;
  let offset = 0;
  let failures = 0;
  let failedAt = 0;
  while (offset < size) {
    try {
      for await (const chunk of rest(client, download, offset, signal)) {
        offset += chunk.byteLength;
        yield chunk;
      }
    } catch (error) {
      signal.throwIfAborted();
      if (!(error instanceof TemporaryFailure)) throw error;
      failures = offset - failedAt >= PROGRESS_BYTES ? 1 : failures + 1;
      failedAt = offset;
      const delay = delayBefore(client.retry, failures, error.retryAfterMs);
      if (failures >= client.retry.attempts || delay > client.retry.longestDelayMs) throw error.failure;
      await pause(delay, signal);
    }
  }
}

/** One request's worth of the blob from `offset` on. Ends at the blob's end, or throws. */
async function* rest(
  client: RegistryClient,
  download: BlobDownload,
  offset: number,
  signal: AbortSignal,
): AsyncGenerator<Uint8Array, void, undefined> {
  const subject = { task: download.task, domain: download.repository.domain };
  const response = await open(client, download, offset, signal);
  const { host } = response.url;
  const { size, digest } = download.descriptor;
  let skip = bytesToSkip(response, offset, size, subject);
  let left = size - offset;
  const watch = watchProgress(response, client.idleTimeoutMs);
  try {
    for await (const chunk of response.body as AsyncIterable<Uint8Array>) {
      watch.moved(chunk.byteLength);
      const useful = skip === 0 ? chunk : chunk.subarray(skip);
      skip = Math.max(0, skip - chunk.byteLength);
      if (useful.byteLength > left)
        throw invalidAnswer(subject, host, `sent more than the ${size} bytes that ${digest} must have`);
      left -= useful.byteLength;
      if (useful.byteLength > 0) yield useful;
    }
  } catch (error) {
    if (error instanceof SlipwayError) throw error;
    throw connectionFailure(error, subject, host, signal);
  } finally {
    watch.stop();
    response.discard();
  }
  if (left > 0) throw truncated(subject, host, digest, size - left, size);
}

function truncated(subject: RequestSubject, host: string, digest: string, got: number, size: number): TemporaryFailure {
  return new TemporaryFailure(invalidAnswer(subject, host, `ended ${digest} after ${got} of ${size} bytes`));
}

async function open(
  client: RegistryClient,
  { repository, descriptor, task }: BlobDownload,
  offset: number,
  signal: AbortSignal,
): Promise<HttpResponse> {
  const common = {
    method: 'GET',
    repository,
    headers: offset === 0 ? {} : { range: `bytes=${offset}-` },
    actions: 'pull',
    expect: [200, 206],
    task,
  } as const satisfies Partial<RegistryRequest>;
  const subject = { task, domain: repository.domain };
  const registry = client.endpoint(repository.domain);
  try {
    return await client.sendOnce({ ...common, target: `blobs/${descriptor.digest}` }, signal);
  } catch (error) {
    if (!isNotFound(error)) throw error;
    // A foreign layer lies elsewhere: asked for without credentials, because those URLs are the image's, not the registry's.
    const foreign = (descriptor.urls ?? []).filter((url) => URL.canParse(url)).map((url) => new URL(url));
    const target = foreign.find((url) => refusalOf(registry, url) === undefined && url.origin !== registry.origin);
    if (target !== undefined) return await client.sendOnce({ ...common, target }, signal);
    throw invalidAnswer(subject, registry.host, `does not have the blob ${descriptor.digest} that its manifest names`);
  }
}

/** How many bytes of the answer come before `offset`; a server may answer a range with the whole. */
function bytesToSkip(response: HttpResponse, offset: number, size: number, subject: RequestSubject): number {
  const refuse = (what: string) => {
    response.discard();
    return invalidAnswer(subject, response.url.host, what);
  };
  if (response.status === 206) {
    const [, start] = /^bytes (\d+)-\d+\/(?:\d+|\*)$/.exec(response.headers['content-range'] ?? '') ?? [];
    if (Number(start ?? -1) !== offset) throw refuse(`answered a request for bytes from ${offset} on with other bytes`);
    return 0;
  }
  const length = response.headers['content-length'];
  if (length !== undefined && Number(length) !== size)
    throw refuse(`has a blob of ${length} bytes where the manifest says ${size}`);
  return offset;
}

/** Gives the connection up when too little comes, however regularly. */
function watchProgress(response: HttpResponse, idleMs: number): { moved(bytes: number): void; stop(): void } {
  let moved = 0;
  const timer = setInterval(() => {
    if (moved < LEAST_BYTES)
      response.body.destroy(Object.assign(new Error('the download stalled'), { code: 'ETIMEDOUT' }));
    moved = 0;
  }, idleMs);
  return {
    moved: (bytes) => {
      moved += bytes;
    },
    stop: () => clearInterval(timer),
  };
}
