import type { Descriptor, ImageIndex } from '../core/descriptor.ts';
import { normalise, type Platform } from '../core/platform.ts';

const ATTESTATION = 'vnd.docker.reference.type';

/**
 * The manifests of an index that run on `wanted`, the best first, by containerd's rules: an exact match before what the
 * processor also runs (arm/v7 runs v6 and v5, amd64 runs 386, arm64 runs 32-bit arm), the first of equals as it stands in the index.
 * A manifest that names no platform comes last. Attestations (`unknown/unknown`) are never among them.
 */
export function manifestsFor(index: ImageIndex, wanted: Platform): readonly Descriptor[] {
  const images = imageManifests(index);
  const exact = compatiblePlatforms(wanted).flatMap((platform) =>
    images.filter((manifest) => manifest.platform !== undefined && matches(platform, manifest.platform)),
  );
  return [...new Set([...exact, ...images.filter((manifest) => manifest.platform === undefined)])];
}

/** The manifests of an index that are images: no attestations. */
export function imageManifests(index: ImageIndex): readonly Descriptor[] {
  return index.manifests.filter(
    (manifest) =>
      manifest.annotations?.[ATTESTATION] === undefined &&
      !(manifest.platform?.os === 'unknown' && manifest.platform.architecture === 'unknown'),
  );
}

/** Whether an image for `offered` runs on `wanted`. */
export function isCompatible(wanted: Platform, offered: Platform): boolean {
  return compatiblePlatforms(wanted).some((platform) => matches(platform, offered));
}

function matches(platform: Platform, offered: Platform): boolean {
  const candidate = canonical(offered);
  return (
    candidate.os === platform.os &&
    candidate.architecture === platform.architecture &&
    candidate.variant === platform.variant &&
    (candidate['os.features'] ?? []).every((feature) => platform['os.features']?.includes(feature))
  );
}

/** containerd compares in lower case and takes `v8.0` for `v8`; an image that names no OS is one for this machine's. */
function canonical(platform: Platform): Platform {
  const variant = platform.variant?.toLowerCase().replace(/^(v?[89])\.0$/, '$1');
  const { variant: _written, ...rest } = platform;
  const lower = {
    ...rest,
    os: platform.os.toLowerCase() || 'linux',
    architecture: platform.architecture.toLowerCase(),
    ...(variant ? { variant } : {}),
  };
  return normalise(lower.architecture === 'arm64' && variant === '9' ? { ...lower, variant: 'v9' } : lower);
}

/** What `wanted` runs, best first (containerd, platforms/compare.go, platformVector). */
function compatiblePlatforms(wanted: Platform): readonly Platform[] {
  const own = canonical(wanted);
  switch (own.architecture) {
    case 'amd64':
      return [own, ...lowerVariants(own, 1), sibling(own, '386', undefined)];
    case 'arm':
      return [own, ...lowerVariants(own, 5)];
    case 'arm64': {
      const arm = sibling(own, 'arm', 'v8');
      return [...arm64Variants(own), arm, ...lowerVariants(arm, 5)];
    }
    default:
      return [own];
  }
}

function sibling(platform: Platform, architecture: string, variant: string | undefined): Platform {
  const { variant: _replaced, ...rest } = platform;
  return canonical({ ...rest, architecture, ...(variant === undefined ? {} : { variant }) });
}

function lowerVariants(platform: Platform, lowest: number): readonly Platform[] {
  const version = Number(/^v(\d)$/.exec(platform.variant ?? '')?.[1] ?? Number.NaN);
  const lower: Platform[] = [];
  for (let at = version - 1; at >= lowest; at--) lower.push(sibling(platform, platform.architecture, `v${at}`));
  return lower;
}

/** ARMv9.x contains ARMv8.(x+5); within a generation each minor version contains those below it. */
function arm64Variants(platform: Platform): readonly Platform[] {
  const [, major = '8', minor = '0'] = /^v([89])(?:\.(\d))?$/.exec(platform.variant ?? 'v8') ?? [];
  const generations =
    major === '9'
      ? [['9', Number(minor)] as const, ['8', Math.min(Number(minor) + 5, 9)] as const]
      : [['8', Number(minor)] as const];
  return generations.flatMap(([generation, highest]) => {
    const found: Platform[] = [];
    for (let at = highest; at >= 0; at--)
      found.push(sibling(platform, 'arm64', at === 0 ? `v${generation}` : `v${generation}.${at}`));
    return found;
  });
}
