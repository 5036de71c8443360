import { type Digest, digestOf, isDigest } from '../core/digest.ts';
import { INDEX_TYPES, MANIFEST_TYPES, MAX_MANIFEST_BYTES } from '../core/manifest.ts';
import { formatReference, type Reference } from '../core/reference.ts';
import { BodyLimitError, readBounded } from './bounded-body.ts';
import { connectionFailure } from './connection-failure.ts';
import type { HttpResponse } from './http-transport.ts';
import type { RegistryClient, RegistryRequest } from './registry-client.ts';
import { invalidAnswer } from './registry-error.ts';
import { withRetries } from './retry.ts';

/** The bytes of a manifest or index, verified against the digest that named them. */
export interface FetchedManifest {
  readonly bytes: Buffer;
  readonly digest: Digest;
  /** As the registry called it; undefined where it used a general type such as application/json. */
  readonly mediaType: string | undefined;
}

const ACCEPT = [...INDEX_TYPES, ...MANIFEST_TYPES, '*/*;q=0.1'].join(', ');
const GENERAL_TYPES = ['application/json', 'text/plain', 'application/octet-stream', ''];

/**
 * Digest of what a tag names now, without fetching it (and without counting against Docker Hub's pull limit); undefined where the
 * registry does not say. Throws SLIPWAY_IMAGE_NOT_FOUND and the client's errors.
 */
export async function headManifest(
  client: RegistryClient,
  reference: Reference,
  signal: AbortSignal,
): Promise<Digest | undefined> {
  const response = await client.send({ ...requestFor(reference), method: 'HEAD', expect: [200, 400, 405] }, signal);
  response.discard();
  const digest = response.headers['docker-content-digest'];
  return response.status === 200 && isDigest(digest) ? digest : undefined;
}

/** Fetches what a reference names: by its digest, else by its tag. */
export function fetchManifest(
  client: RegistryClient,
  reference: Reference,
  signal: AbortSignal,
): Promise<FetchedManifest> {
  const request = requestFor(reference);
  const subject = { task: request.task, domain: reference.domain };
  return withRetries(client.retry, signal, async () => {
    const response = await client.sendOnce(request, signal);
    try {
      const bytes = await readBounded(response, { limit: MAX_MANIFEST_BYTES, signal });
      return checked(bytes, response, reference);
    } catch (error) {
      if (error instanceof BodyLimitError)
        throw invalidAnswer(subject, response.url.host, `gave no usable manifest: ${error.message}`);
      throw connectionFailure(error, subject, response.url.host, signal);
    }
  });
}

function requestFor(reference: Reference): RegistryRequest {
  return {
    method: 'GET',
    repository: reference,
    target: `manifests/${reference.digest ?? reference.tag ?? 'latest'}`,
    headers: { accept: ACCEPT },
    actions: 'pull',
    expect: [200],
    task: `pull ${formatReference(reference)}`,
  };
}

function checked(bytes: Buffer, response: HttpResponse, reference: Reference): FetchedManifest {
  const subject = { task: `pull ${formatReference(reference)}`, domain: reference.domain };
  const digest = digestOf(bytes);
  const claimed = response.headers['docker-content-digest'];
  const expected = reference.digest ?? (isDigest(claimed) ? claimed : digest);
  if (digest !== expected)
    throw invalidAnswer(subject, response.url.host, `gave a manifest with digest ${digest}, expected ${expected}`);
  const type = (response.headers['content-type'] ?? '').split(';')[0]?.trim().toLowerCase() ?? '';
  return { bytes, digest, mediaType: GENERAL_TYPES.includes(type) ? undefined : type };
}
