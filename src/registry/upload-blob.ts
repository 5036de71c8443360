import { createReadStream } from 'node:fs';
import type { Descriptor } from '../core/descriptor.ts';
import { SlipwayError } from '../core/errors.ts';
import { refusalOf } from './destination.ts';
import type { HttpResponse, RequestBody } from './http-transport.ts';
import { locationOf, type RegistryClient, type RegistryRequest, type Repository } from './registry-client.ts';
import { invalidAnswer, type RequestSubject, TemporaryFailure } from './registry-error.ts';
import { withRetries } from './retry.ts';

export interface BlobUpload {
  readonly repository: Repository;
  readonly descriptor: Descriptor;
  /** For errors: `push localhost:5000/x:latest`. */
  readonly task: string;
  /** Repositories that were seen to have the blob; those of the same registry can lend it without an upload. */
  readonly sources: readonly Repository[];
  /** Brings the blob to a file; called only when bytes must be sent. */
  readonly file: (signal: AbortSignal) => Promise<string>;
  /** Called with the number of bytes that were sent so far. */
  readonly onSent?: (bytes: number) => void;
}

const CHUNK_BYTES = 16 * 1024 * 1024;
const MAX_CHUNK_BYTES = 256 * 1024 * 1024;
/** From this attempt on the blob is sent in chunks: something between here and the registry cuts long requests. */
const CHUNKED_FROM_ATTEMPT = 3;

/**
 * Makes sure that a repository has a blob: it has it already, another repository of the registry lends it (a mount), or it is sent,
 * in one request where the registry takes that and in chunks where not (distribution spec, "Pushing a blob").
 */
export async function uploadBlob(client: RegistryClient, upload: BlobUpload, signal: AbortSignal): Promise<void> {
  if (await hasBlob(client, upload, signal)) return;
  if (await mountBlob(client, upload, signal)) return;
  const path = await upload.file(signal);
  let chunked = false;
  await withRetries(client.retry, signal, async (attempt) => {
    if (!chunked && attempt < CHUNKED_FROM_ATTEMPT) {
      const session = await startSession(client, upload, signal);
      if ((await sendWhole(client, upload, { session: session.location, path }, signal)) === 'sent') return;
      chunked = true;
    }
    await sendChunks(client, upload, { session: await startSession(client, upload, signal), path }, signal);
  });
}

function requestOf(upload: BlobUpload): Pick<RegistryRequest, 'repository' | 'actions' | 'task'> {
  return { repository: upload.repository, actions: 'pull,push', task: upload.task };
}

async function hasBlob(client: RegistryClient, upload: BlobUpload, signal: AbortSignal): Promise<boolean> {
  const target = `blobs/${upload.descriptor.digest}`;
  const request = { ...requestOf(upload), method: 'HEAD', target, expect: [200, 404] } as const;
  const response = await client.send(request, signal);
  response.discard();
  return response.status === 200;
}

async function mountBlob(client: RegistryClient, upload: BlobUpload, signal: AbortSignal): Promise<boolean> {
  const { repository, descriptor, sources } = upload;
  const from = sources.find(({ domain, path }) => domain === repository.domain && path !== repository.path)?.path;
  if (from === undefined) return false;
  const query = `mount=${encodeURIComponent(descriptor.digest)}&from=${encodeURIComponent(from)}`;
  const target = `blobs/uploads/?${query}`;
  try {
    const response = await client.send(
      { ...requestOf(upload), method: 'POST', target, alsoPull: [from], expect: [201, 202] },
      signal,
    );
    response.discard();
    // With 202 the registry began an upload instead; it ends on its own.
    return response.status === 201;
  } catch (error) {
    // The other repository may not be readable with these credentials, or a registry may not know mounts: then it is sent.
    const refused = ['SLIPWAY_REGISTRY_DENIED', 'SLIPWAY_IMAGE_NOT_FOUND', 'SLIPWAY_REGISTRY_INVALID'];
    if (error instanceof SlipwayError && refused.includes(error.code)) return false;
    throw error;
  }
}

/** An upload that the registry waits for. */
interface Session {
  readonly location: URL;
  readonly chunkBytes: number;
}

async function startSession(client: RegistryClient, upload: BlobUpload, signal: AbortSignal): Promise<Session> {
  const request = { ...requestOf(upload), method: 'POST', target: 'blobs/uploads/', expect: [202] } as const;
  const response = await client.sendOnce(request, signal);
  response.discard();
  const least = Number(response.headers['oci-chunk-min-length'] ?? 0) || 0;
  return {
    location: uploadLocation(client, upload, response),
    chunkBytes: Math.max(CHUNK_BYTES, Math.min(least, MAX_CHUNK_BYTES)),
  };
}

/** Where the next bytes go. Another origin than the registry's gets no credentials: the client sees to that. */
function uploadLocation(client: RegistryClient, { repository, task }: BlobUpload, response: HttpResponse): URL {
  const subject: RequestSubject = { task, domain: repository.domain };
  const location = locationOf(response.headers.location ?? '', response.url, subject);
  const refusal = refusalOf(client.endpoint(repository.domain), location);
  if (refusal === undefined) return location;
  throw invalidAnswer(
    subject,
    response.url.host,
    `wants the blob sent to ${location.host}, which is not done: ${refusal}`,
  );
}

/** The location with the digest that ends the upload; the registry's own query stays byte for byte. */
function closing(location: URL, { descriptor }: BlobUpload): URL {
  const url = new URL(location.href);
  url.search = `${url.search === '' ? '?' : `${url.search}&`}digest=${encodeURIComponent(descriptor.digest)}`;
  return url;
}

async function sendWhole(
  client: RegistryClient,
  upload: BlobUpload,
  { session, path }: { session: URL; path: string },
  signal: AbortSignal,
): Promise<'sent' | 'too-large'> {
  const response = await client.sendOnce(
    {
      ...requestOf(upload),
      method: 'PUT',
      target: closing(session, upload),
      headers: { 'content-type': 'application/octet-stream' },
      body: bodyOf(path, { start: 0, length: upload.descriptor.size }, upload.onSent),
      expect: [200, 201, 204, 404, 413, 416],
    },
    signal,
  );
  response.discard();
  if (response.status === 413) return 'too-large';
  requireSession(upload, response);
  return 'sent';
}

async function sendChunks(
  client: RegistryClient,
  upload: BlobUpload,
  { session, path }: { session: Session; path: string },
  signal: AbortSignal,
): Promise<void> {
  const { size } = upload.descriptor;
  let { location } = session;
  for (let start = 0; start < size; start += session.chunkBytes) {
    const length = Math.min(session.chunkBytes, size - start);
    const response = await client.sendOnce(
      {
        ...requestOf(upload),
        method: 'PATCH',
        target: location,
        headers: { 'content-type': 'application/octet-stream', 'content-range': `${start}-${start + length - 1}` },
        body: bodyOf(path, { start, length }, upload.onSent),
        expect: [202, 204, 404, 416],
      },
      signal,
    );
    response.discard();
    requireSession(upload, response);
    location = uploadLocation(client, upload, response);
  }
  const target = closing(location, upload);
  const response = await client.sendOnce(
    { ...requestOf(upload), method: 'PUT', target, body: EMPTY_BODY, expect: [200, 201, 204, 404, 416] },
    signal,
  );
  response.discard();
  requireSession(upload, response);
}

/** A registry that lost the upload's state is asked for a new one. */
function requireSession({ repository, task, descriptor }: BlobUpload, response: HttpResponse): void {
  if (response.status !== 404 && response.status !== 416) return;
  const subject = { task, domain: repository.domain };
  const what = `answered ${response.status} in the middle of the upload of ${descriptor.digest}`;
  throw new TemporaryFailure(invalidAnswer(subject, response.url.host, what));
}

const EMPTY_BODY: RequestBody = { length: 0, async *open() {} };

function bodyOf(
  path: string,
  { start, length }: { readonly start: number; readonly length: number },
  onSent: ((bytes: number) => void) | undefined,
): RequestBody {
  return {
    length,
    async *open() {
      if (length === 0) return;
      let sent = start;
      const stream = createReadStream(path, { start, end: start + length - 1, highWaterMark: 256 * 1024 });
      for await (const chunk of stream as AsyncIterable<Uint8Array>) {
        yield chunk;
        sent += chunk.byteLength;
        onSent?.(sent);
      }
    },
  };
}
