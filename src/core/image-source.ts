import type { Descriptor } from './descriptor.ts';
import type { Digest } from './digest.ts';
import type { ImageConfig } from './image-config.ts';
import type { Platform } from './platform.ts';

/** An image that a reference was found to mean, pinned: everything a build needs to know of it before any layer is fetched. */
export interface ResolvedImage {
  /** Normalised: `docker.io/library/debian:bookworm`. */
  readonly ref: string;
  /** Digest of the platform's manifest. */
  readonly manifest: Digest;
  /** Digest of what the reference itself names: an index, or the manifest. */
  readonly root: Digest;
  readonly platform: Platform;
  readonly config: ImageConfig;
  /** Same length and order as `config.rootfs.diff_ids`. */
  readonly layers: readonly Descriptor[];
  /** Who fetches the layers: passed back in `ImageOp.from`. */
  readonly from: string;
}

/**
 * Finds what an image reference means. Tries the local image store, then the registry (`pull`: the registry first). Errors name the
 * reference and the registry's reason: SLIPWAY_IMAGE_NOT_FOUND, SLIPWAY_REGISTRY_UNREACHABLE, SLIPWAY_REGISTRY_DENIED,
 * SLIPWAY_PLATFORM_MISSING (with the platforms there are).
 */
export interface ImageResolver {
  resolve(ref: string, platform: Platform, signal: AbortSignal): Promise<ResolvedImage>;
}
