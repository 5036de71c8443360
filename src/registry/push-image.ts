import type { ContentStore } from '../../cache/content/content-store.ts';
import type { Descriptor } from '../core/descriptor.ts';
import { type Digest, isDigest } from '../core/digest.ts';
import { parseManifest } from '../core/manifest.ts';
import { formatReference, type Reference } from '../core/reference.ts';
import type { RegistryClient, Repository } from './registry-client.ts';
import { invalidAnswer } from './registry-error.ts';
import { uploadBlob } from './upload-blob.ts';

export interface ImagePush {
  /** Where to: the tag gets the image; without a tag it is pushed by its digest alone. */
  readonly reference: Reference;
  /** A manifest or an index; it and all manifests below it are in the content store. */
  readonly root: Descriptor;
  readonly content: ContentStore;
  /** Repositories that were seen to have a blob. */
  readonly sources: (digest: Digest) => readonly Repository[];
  /** Brings a blob into the content store that is not there: called only for what the registry does not have already. */
  readonly fetch: (descriptor: Descriptor, signal: AbortSignal) => Promise<void>;
  /** How far the upload of one blob is, in bytes. Blobs that need no upload are not heard of. */
  readonly onProgress?: (descriptor: Descriptor, sent: number) => void;
}

const CONCURRENCY = 4;
const MAX_DEPTH = 4;
/** Layers that may not be distributed stay where their `urls` say, as docker leaves them. */
const FOREIGN = /nondistributable|\.foreign\./;

/** What a root is made of: blobs in any order, then manifests, children before parents, the root last. */
interface Parts {
  readonly blobs: Map<Digest, Descriptor>;
  readonly manifests: Map<Digest, Descriptor>;
}

/**
 * Pushes an image or an index with all its images: blobs first, then manifests, then the root under its tag, so that no tag ever
 * names what is not complete. Idempotent. Returns the root's digest.
 */
export async function pushImage(client: RegistryClient, push: ImagePush, signal: AbortSignal): Promise<Digest> {
  const parts: Parts = { blobs: new Map(), manifests: new Map() };
  collect(push.content, push.root, parts, 0);
  await pushBlobs(client, push, [...parts.blobs.values()], signal);
  const { tag } = push.reference;
  for (const manifest of parts.manifests.values()) {
    const isRoot = manifest.digest === push.root.digest;
    await putManifest(client, push, { manifest, name: (isRoot ? tag : undefined) ?? manifest.digest }, signal);
  }
  return push.root.digest;
}

function collect(content: ContentStore, document: Descriptor, parts: Parts, depth: number): void {
  if (depth > MAX_DEPTH) throw new Error(`internal: the index to push is more than ${MAX_DEPTH} deep`);
  const parsed = parseManifest(content.read(document.digest), `the manifest ${document.digest}`, document.mediaType);
  if (parsed.kind === 'index') {
    for (const child of parsed.index.manifests) collect(content, child, parts, depth + 1);
  } else {
    for (const blob of [parsed.manifest.config, ...parsed.manifest.layers])
      if (!FOREIGN.test(blob.mediaType)) parts.blobs.set(blob.digest, blob);
  }
  parts.manifests.set(document.digest, document);
}

async function pushBlobs(
  client: RegistryClient,
  push: ImagePush,
  blobs: readonly Descriptor[],
  signal: AbortSignal,
): Promise<void> {
  const { default: PQueue } = await import('p-queue');
  const queue = new PQueue({ concurrency: CONCURRENCY });
  const failed = new AbortController();
  const either = AbortSignal.any([signal, failed.signal]);
  const uploads = blobs.map((blob) =>
    queue.add(async () => {
      either.throwIfAborted();
      await pushBlob(client, push, blob, either).catch((error: unknown) => {
        failed.abort(error);
        throw error;
      });
    }),
  );
  await Promise.allSettled(uploads);
  signal.throwIfAborted();
  // The first failure is the reason that the others were aborted with.
  failed.signal.throwIfAborted();
}

async function pushBlob(
  client: RegistryClient,
  { reference, content, sources, fetch, onProgress }: ImagePush,
  descriptor: Descriptor,
  signal: AbortSignal,
): Promise<void> {
  const file = async () => {
    if (content.size(descriptor.digest) !== descriptor.size) await fetch(descriptor, signal);
    const path = content.path(descriptor.digest);
    if (path === undefined)
      throw new Error(`internal: ${descriptor.digest} was fetched and is not in the content store`);
    return path;
  };
  const { domain, path } = reference;
  await uploadBlob(
    client,
    {
      repository: { domain, path },
      descriptor,
      task: `push ${formatReference(reference)}`,
      sources: sources(descriptor.digest),
      file,
      ...(onProgress === undefined ? {} : { onSent: (bytes) => onProgress(descriptor, bytes) }),
    },
    signal,
  );
}

async function putManifest(
  client: RegistryClient,
  { reference, content }: ImagePush,
  { manifest, name }: { readonly manifest: Descriptor; readonly name: string },
  signal: AbortSignal,
): Promise<void> {
  const bytes = content.read(manifest.digest);
  const task = `push ${formatReference(reference)}`;
  const response = await client.send(
    {
      method: 'PUT',
      repository: reference,
      target: `manifests/${name}`,
      headers: { 'content-type': manifest.mediaType },
      body: {
        length: bytes.length,
        async *open() {
          yield bytes;
        },
      },
      actions: 'pull,push',
      expect: [200, 201, 202],
      task,
    },
    signal,
  );
  response.discard();
  const said = response.headers['docker-content-digest'];
  if (isDigest(said) && said !== manifest.digest)
    throw invalidAnswer({ task, domain: reference.domain }, response.url.host, `stored ${said} for ${manifest.digest}`);
}
