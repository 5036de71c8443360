import { type Descriptor, type ImageManifest, MEDIA } from '../core/descriptor.ts';
import type { Digest } from '../core/digest.ts';
import { SlipwayError } from '../core/errors.ts';
import type { ImageConfig } from '../core/image-config.ts';
import type { ResolvedImage } from '../core/image-source.ts';
import { INDEX_TYPES, MANIFEST_TYPES, parseManifest } from '../core/manifest.ts';
import { formatPlatform, normalise, type Platform } from '../core/platform.ts';
import { MAX_CONFIG_BYTES, parseImageConfig } from './parse-image-config.ts';
import { imageManifests, isCompatible, manifestsFor } from './select-platform.ts';

/** What a reference names; `mediaType` is undefined where only the digest is known. */
export interface ImageRoot {
  readonly digest: Digest;
  readonly mediaType?: string | undefined;
}

/** Reads a document of an image: its bytes are verified, and no more than a manifest or a config may have. */
export type DocumentReader = (
  document: ImageRoot & { readonly size?: number },
  kind: 'manifest' | 'config',
) => Promise<Uint8Array>;

export interface PinRequest {
  /** As `ResolvedImage.ref`. */
  readonly ref: string;
  readonly root: ImageRoot;
  readonly platform: Platform;
  readonly from: string;
  readonly read: DocumentReader;
}

const MAX_DEPTH = 4;
const CONFIG_TYPES: readonly string[] = [MEDIA.ociConfig, MEDIA.dockerConfig];

/**
 * Follows a reference's root through indexes to the manifest for a platform, and its config. Throws SLIPWAY_PLATFORM_MISSING with the
 * platforms there are, SLIPWAY_IMAGE_INVALID for documents that contradict themselves, and the reader's errors. A root that is a
 * manifest itself is taken whatever its platform: that is all there is under this name, and BuildKit takes it too.
 */
export async function pinImage(request: PinRequest): Promise<ResolvedImage> {
  const found = await find(request, request.root, { depth: 0, seen: new Set() });
  if (found === undefined) throw new Error('internal: a root that is no index was not taken');
  return found;
}

/** `offered`: platforms of what did not match, for the error. */
interface Descent {
  readonly depth: number;
  readonly seen: Set<string>;
}

async function find(
  request: PinRequest,
  document: ImageRoot & { readonly size?: number; readonly platform?: Platform },
  descent: Descent,
): Promise<ResolvedImage | undefined> {
  const where = `image ${request.ref}, ${document.digest}`;
  if (descent.depth > MAX_DEPTH)
    throw new SlipwayError('SLIPWAY_IMAGE_INVALID', `${where}: indexes within indexes more than ${MAX_DEPTH} deep`);
  const parsed = parseManifest(await request.read(document, 'manifest'), where, document.mediaType);
  if (parsed.kind === 'manifest') return await pinned(request, document, parsed.manifest, descent);
  for (const candidate of manifestsFor(parsed.index, request.platform)) {
    if (!INDEX_TYPES.includes(candidate.mediaType) && !MANIFEST_TYPES.includes(candidate.mediaType)) continue;
    const found = await find(request, candidate, { depth: descent.depth + 1, seen: descent.seen });
    if (found !== undefined) return found;
  }
  for (const { platform } of imageManifests(parsed.index))
    if (platform !== undefined) descent.seen.add(formatPlatform(platform));
  if (descent.depth > 0) return undefined;
  throw platformMissing(request.ref, request.platform, [...descent.seen]);
}

/** The image of a manifest, or undefined where it came from an index without a platform and its config has another one. */
async function pinned(
  { ref, root, platform: wanted, from, read }: PinRequest,
  document: ImageRoot & { readonly platform?: Platform },
  manifest: ImageManifest,
  { depth, seen }: Descent,
): Promise<ResolvedImage | undefined> {
  const where = `image ${ref}, ${document.digest}`;
  const config = await readConfig(manifest, where, read);
  const platform = platformOf(config, document.platform);
  if (depth > 0 && document.platform === undefined && !isCompatible(wanted, platform)) {
    seen.add(formatPlatform(platform));
    return undefined;
  }
  const { layers } = manifest;
  return { ref, manifest: document.digest, root: root.digest, platform, config, layers, from };
}

async function readConfig(manifest: ImageManifest, where: string, read: DocumentReader): Promise<ImageConfig> {
  const { config: descriptor, layers } = manifest;
  const invalid = (problem: string) => new SlipwayError('SLIPWAY_IMAGE_INVALID', `${where}: ${problem}`);
  if (!CONFIG_TYPES.includes(descriptor.mediaType))
    throw invalid(`it is no container image: its config has the media type ${descriptor.mediaType.slice(0, 120)}`);
  if (descriptor.size > MAX_CONFIG_BYTES)
    throw invalid(`its config has ${descriptor.size} bytes, more than ${MAX_CONFIG_BYTES}`);
  const config = parseImageConfig(await read(descriptor, 'config'), `${where}, config ${descriptor.digest}`);
  const diffIds = config.rootfs.diff_ids.length;
  if (diffIds !== layers.length)
    throw invalid(`its manifest has ${layers.length} layers, its config ${diffIds} diff ids`);
  return config;
}

function platformOf(config: ImageConfig, described: Platform | undefined): Platform {
  const variant = config.variant ?? described?.variant;
  const version = config['os.version'];
  const features = config['os.features'];
  return normalise({
    os: config.os,
    architecture: config.architecture,
    ...(variant === undefined ? {} : { variant }),
    ...(version === undefined ? {} : { 'os.version': version }),
    ...(features === undefined ? {} : { 'os.features': features }),
  });
}

/** The error for an image that there is, but not for the platform that was asked for. */
export function platformMissing(ref: string, wanted: Platform, offered: readonly string[]): SlipwayError {
  const list = offered.length === 0 ? 'no platform' : offered.slice(0, 20).join(', ');
  return new SlipwayError(
    'SLIPWAY_PLATFORM_MISSING',
    `image ${ref} has no match for platform ${formatPlatform(wanted)}: it is there for ${list}`,
    { hint: 'choose one of these with --platform or FROM --platform=…, or another image' },
  );
}

/** A descriptor of a root whose size and type became known. */
export function rootDescriptor(root: ImageRoot, bytes: Uint8Array, where: string): Descriptor {
  const document = parseManifest(bytes, where, root.mediaType);
  const { mediaType } = document.kind === 'index' ? document.index : document.manifest;
  return { mediaType, digest: root.digest, size: bytes.byteLength };
}
