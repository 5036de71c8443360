import type { ContentStore } from '../../cache/content/content-store.ts';
import type { ImageStore, StoredImage } from '../../cache/images/image-store.ts';
import { SlipwayError } from '../core/errors.ts';
import type { ImageResolver, ResolvedImage } from '../core/image-source.ts';
import { formatPlatform, type Platform } from '../core/platform.ts';
import { formatReference, parseReference, type Reference } from '../core/reference.ts';
import { findInLayout, isOciLayoutReference, parseOciLayoutReference, readFromLayout } from './oci-layout.ts';
import { type DocumentReader, type ImageRoot, pinImage, platformMissing, rootDescriptor } from './pin-image.ts';
import type { RegistryImages } from './registry-images.ts';
import { isCompatible } from './select-platform.ts';

export interface ImageResolverOptions {
  readonly content: ContentStore;
  readonly images: ImageStore;
  readonly registry: RegistryImages;
  /** `always`: a tag is looked up in its registry even if the local image store has it (`--pull`). */
  readonly pull: 'missing' | 'always';
  /** Where relative `oci-layout://` paths begin. */
  readonly cwd: string;
}

/**
 * The resolver of a build: the local image store first, then the registry, with docker's rule of pulling what is missing. What was
 * pulled is remembered, so that the next build needs no network for it. Everything is looked up once in a resolver's life.
 */
export function createImageResolver(options: ImageResolverOptions): ImageResolver {
  const found = new Map<string, Promise<ResolvedImage>>();
  const lookup = new ReferenceLookup(options);
  return {
    resolve(text, platform, signal) {
      const key = `${formatPlatform(platform)} ${text}`;
      const known = found.get(key);
      if (known !== undefined) return known;
      const resolving = resolve(lookup, options, text, { platform, signal });
      found.set(key, resolving);
      // An abort or a failure is nobody else's answer.
      resolving.catch(() => found.delete(key));
      return resolving;
    },
  };
}

interface Wanted {
  readonly platform: Platform;
  readonly signal: AbortSignal;
}

async function resolve(
  lookup: ReferenceLookup,
  options: ImageResolverOptions,
  text: string,
  wanted: Wanted,
): Promise<ResolvedImage> {
  if (isOciLayoutReference(text)) return await resolveInLayout(text, options.cwd, wanted.platform);
  return await lookup.resolve(parseReference(text), wanted);
}

async function resolveInLayout(text: string, cwd: string, platform: Platform): Promise<ResolvedImage> {
  const reference = parseOciLayoutReference(text, cwd);
  const { path } = reference;
  const root = findInLayout(reference);
  return await pinImage({
    ref: text,
    root,
    platform,
    from: `oci-layout:${path}`,
    read: async (document) => readFromLayout(path, document),
  });
}

class ReferenceLookup {
  readonly #options: ImageResolverOptions;
  /** One answer of the registry for all platforms of a build, even if a tag moves meanwhile. */
  readonly #remoteRoots = new Map<string, Promise<ImageRoot>>();

  constructor(options: ImageResolverOptions) {
    this.#options = options;
  }

  async resolve(reference: Reference, wanted: Wanted): Promise<ResolvedImage> {
    const local = await this.#resolveLocally(reference, wanted);
    if (typeof local === 'object') return local;
    return await this.#resolveRemotely(reference, wanted).catch((error: unknown) => {
      const isMissing = error instanceof SlipwayError && error.code === 'SLIPWAY_IMAGE_NOT_FOUND';
      if (isMissing && local !== undefined)
        throw platformMissing(formatReference(reference), wanted.platform, [
          `${local} (in the local image store alone)`,
        ]);
      throw error;
    });
  }

  /** The image; or, where the local store has it for another platform only, that platform; or undefined. */
  async #resolveLocally(reference: Reference, wanted: Wanted): Promise<ResolvedImage | string | undefined> {
    const { images, content, pull } = this.#options;
    const ref = formatReference(reference);
    const { digest } = reference;
    if (digest !== undefined) {
      if (content.size(digest) === undefined) return undefined;
      return await this.#pinHere(reference, { digest }, 'registry', wanted);
    }
    const stored = images.get(ref);
    if (stored === undefined || pull === 'always') return undefined;
    const image = await this.#pinStored(reference, stored, wanted);
    if (image === undefined || stored.origin === 'pulled' || isCompatible(wanted.platform, image.platform))
      return image;
    return formatPlatform(image.platform);
  }

  async #pinStored(reference: Reference, stored: StoredImage, wanted: Wanted): Promise<ResolvedImage | undefined> {
    const from = stored.origin === 'built' ? 'store' : 'registry';
    try {
      return await this.#pinHere(reference, stored.target, from, wanted);
    } catch (error) {
      const lacks = ['SLIPWAY_BLOB_MISSING', 'SLIPWAY_PLATFORM_MISSING', 'SLIPWAY_IMAGE_NOT_FOUND'];
      if (error instanceof SlipwayError && lacks.includes(error.code)) return undefined;
      throw error;
    }
  }

  /** Pins what the local store knows the root of. Another platform's manifest of a pulled index is fetched by its digest. */
  async #pinHere(
    reference: Reference,
    root: ImageRoot,
    from: 'registry' | 'store',
    wanted: Wanted,
  ): Promise<ResolvedImage> {
    const { content, registry } = this.#options;
    const read: DocumentReader =
      from === 'store'
        ? async (document) => content.read(document.digest)
        : (document, kind) => registry.read(reference, document, { kind, signal: wanted.signal });
    return await pinImage({ ref: formatReference(reference), root, platform: wanted.platform, from, read });
  }

  async #resolveRemotely(reference: Reference, wanted: Wanted): Promise<ResolvedImage> {
    const root = await this.#remoteRoot(reference, wanted.signal);
    const image = await this.#pinHere(reference, root, 'registry', wanted);
    this.#record(reference, root, image);
    return image;
  }

  #remoteRoot(reference: Reference, signal: AbortSignal): Promise<ImageRoot> {
    const { images, registry } = this.#options;
    const ref = formatReference(reference);
    const known = this.#remoteRoots.get(ref);
    if (known !== undefined) return known;
    const root = registry.findRoot(reference, images.get(ref)?.target, signal);
    this.#remoteRoots.set(ref, root);
    root.catch(() => this.#remoteRoots.delete(ref));
    return root;
  }

  /** Documents are in the content store by now, so that whoever finds the reference finds all of it. */
  #record(reference: Reference, root: ImageRoot, image: ResolvedImage): void {
    const { images, content, pull } = this.#options;
    const { domain, path } = reference;
    const ref = formatReference(reference);
    images.addBlobSource(
      image.layers.map((layer) => layer.digest),
      { domain, path },
    );
    if (pull === 'missing' && images.get(ref)?.origin === 'built') return;
    images.put(ref, rootDescriptor(root, content.read(root.digest), ref), 'pulled');
  }
}
