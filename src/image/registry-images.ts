import type { ContentStore } from '../../cache/content/content-store.ts';
import type { Descriptor } from '../core/descriptor.ts';
import { digestOf } from '../core/digest.ts';
import { SlipwayError } from '../core/errors.ts';
import { MAX_MANIFEST_BYTES, parseManifest } from '../core/manifest.ts';
import { formatReference, type Reference } from '../core/reference.ts';
import type { RegistryClient, Repository } from '../registry/registry-client.ts';
import { MAX_CONFIG_BYTES } from './parse-image-config.ts';
import type { ImageRoot } from './pin-image.ts';

/** Images of registries, with the content store as the memory of what was fetched. */
export interface RegistryImages {
  /**
   * What a reference names in its registry now: its digest where it has one, else the tag. The document is in the content store
   * afterwards. `known` is what the tag named before: if it still does, nothing is fetched.
   */
  findRoot(reference: Reference, known: Descriptor | undefined, signal: AbortSignal): Promise<ImageRoot>;
  /** A manifest or config of the reference's repository: from the content store, else fetched into it. */
  read(
    reference: Reference,
    document: ImageRoot & { readonly size?: number },
    options: { readonly kind: 'manifest' | 'config'; readonly signal: AbortSignal },
  ): Promise<Uint8Array>;
  /** The bytes of a blob of a repository. `ref` is for errors. */
  stream(ref: string, repository: Repository, descriptor: Descriptor, signal: AbortSignal): AsyncIterable<Uint8Array>;
}

/** `connect` is called when the network is first needed: a cached build loads no HTTP. */
export function createRegistryImages(content: ContentStore, connect: () => Promise<RegistryClient>): RegistryImages {
  return {
    findRoot: (reference, known, signal) => findRoot(content, connect, reference, { known, signal }),
    async read(reference, document, { kind, signal }) {
      if (content.size(document.digest) !== undefined) return content.read(document.digest, MAX_CONFIG_BYTES);
      return kind === 'manifest'
        ? await readManifest(content, connect, { ...reference, digest: document.digest }, { document, signal })
        : await readConfig(content, connect, reference, { document, signal });
    },
    async *stream(ref, repository, descriptor, signal) {
      const { downloadBlob } = await import('../registry/download-blob.ts');
      yield* downloadBlob(await connect(), { repository, descriptor, task: `pull ${ref}` }, signal);
    },
  };
}

async function findRoot(
  content: ContentStore,
  connect: () => Promise<RegistryClient>,
  reference: Reference,
  { known, signal }: { readonly known: Descriptor | undefined; readonly signal: AbortSignal },
): Promise<ImageRoot> {
  const { fetchManifest, headManifest } = await import('../registry/fetch-manifest.ts');
  const client = await connect();
  if (reference.digest === undefined && known !== undefined && content.size(known.digest) !== undefined) {
    const digest = await headManifest(client, reference, signal);
    if (digest === known.digest) return known;
  }
  const { bytes, digest, mediaType } = await fetchManifest(client, reference, signal);
  // Checked before it is kept, so that the store holds no document that cannot be read.
  parseManifest(bytes, `${formatReference(reference)} in its registry`, mediaType);
  content.put(bytes);
  return { digest, mediaType };
}

interface Wanted {
  readonly document: ImageRoot & { readonly size?: number };
  readonly signal: AbortSignal;
}

async function readManifest(
  content: ContentStore,
  connect: () => Promise<RegistryClient>,
  reference: Reference,
  { document, signal }: Wanted,
): Promise<Uint8Array> {
  const where = formatReference(reference);
  if ((document.size ?? 0) > MAX_MANIFEST_BYTES)
    throw new SlipwayError('SLIPWAY_IMAGE_INVALID', `${where}: its index says it has ${document.size} bytes`);
  const { fetchManifest } = await import('../registry/fetch-manifest.ts');
  const { bytes, mediaType } = await fetchManifest(await connect(), reference, signal);
  parseManifest(bytes, `${where} in its registry`, mediaType);
  if (document.size !== undefined && document.size !== bytes.length)
    throw new SlipwayError(
      'SLIPWAY_IMAGE_INVALID',
      `${where}: it has ${bytes.length} bytes, its index says ${document.size}`,
    );
  content.put(bytes);
  return bytes;
}

async function readConfig(
  content: ContentStore,
  connect: () => Promise<RegistryClient>,
  reference: Reference,
  { document, signal }: Wanted,
): Promise<Uint8Array> {
  const { digest, size, mediaType = 'application/octet-stream' } = document;
  if (size === undefined) throw new Error('internal: a config without a size');
  const { downloadBlob } = await import('../registry/download-blob.ts');
  const task = `pull ${formatReference(reference)}`;
  const download = { repository: reference, descriptor: { mediaType, digest, size }, task };
  const chunks: Uint8Array[] = [];
  for await (const chunk of downloadBlob(await connect(), download, signal)) chunks.push(chunk);
  const bytes = Buffer.concat(chunks, size);
  if (digestOf(bytes) !== digest)
    throw new SlipwayError(
      'SLIPWAY_BLOB_MISMATCH',
      `cannot ${task}: its config has the digest ${digestOf(bytes)}, its manifest says ${digest}`,
      { hint: 'the transfer may have been damaged on its way; try again' },
    );
  content.put(bytes);
  return bytes;
}
