import type { FrontendRequest } from '../../frontend/frontend.ts';
import { type DiffID, digestOf } from '../../src/core/digest.ts';
import { SlipwayError } from '../../src/core/errors.ts';
import type { ContainerConfig, HistoryEntry } from '../../src/core/image-config.ts';
import type { ImageResolver, ResolvedImage } from '../../src/core/image-source.ts';
import { formatPlatform, type Platform } from '../../src/core/platform.ts';

export const LINUX_AMD64: Platform = { os: 'linux', architecture: 'amd64' };

/** A request for a Dockerfile with nothing else set. */
export function requestFor(text: string, overrides: Partial<FrontendRequest> = {}): FrontendRequest {
  return {
    dockerfile: { name: 'Dockerfile', text },
    buildArgs: {},
    labels: {},
    platform: LINUX_AMD64,
    buildPlatform: LINUX_AMD64,
    contexts: {},
    noCache: [],
    network: 'sandbox',
    entitlements: { networkHost: false, securityInsecure: false },
    extraHosts: [],
    ulimits: [],
    implicitPlatform: true,
    ...overrides,
  };
}

export interface FakeImage {
  readonly config?: ContainerConfig;
  readonly history?: readonly HistoryEntry[];
  readonly author?: string;
  readonly platform?: Platform;
  /** Default: one. */
  readonly layerCount?: number;
}

/** A resolver that remembers what it was asked. */
export interface FakeImages extends ImageResolver {
  /** `linux/amd64 docker.io/library/busybox:latest`, in order. */
  readonly asked: readonly string[];
}

const BUSYBOX: FakeImage = {
  config: { Env: ['PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin'], Cmd: ['sh'] },
  history: [{ created: '2025-01-01T00:00:00Z', created_by: 'BusyBox' }],
};

/** Resolves these references, by their full names, and `busybox` in any version; nothing else exists. */
export function fakeImages(images: Readonly<Record<string, FakeImage>> = {}): FakeImages {
  const asked: string[] = [];
  return {
    asked,
    async resolve(ref, platform) {
      asked.push(`${formatPlatform(platform)} ${ref}`);
      const image = images[ref] ?? (/^docker\.io\/library\/busybox[:@]/.test(ref) ? BUSYBOX : undefined);
      if (image === undefined) throw new SlipwayError('SLIPWAY_IMAGE_NOT_FOUND', `${ref}: not found`);
      return resolved(ref, image, platform);
    },
  };
}

/** Resolves every reference: to images with this config, and with the triggers in turn, by what they are called. */
export function unknownImages({
  config,
  triggers,
}: {
  readonly config: ContainerConfig;
  readonly triggers: readonly (readonly string[])[];
}): ImageResolver {
  return {
    async resolve(ref, platform) {
      const choice = digestOf(ref).charCodeAt(10) % (triggers.length * 4);
      const OnBuild = triggers[choice];
      return resolved(ref, { config: OnBuild === undefined ? config : { ...config, OnBuild } }, platform);
    },
  };
}

function resolved(ref: string, image: FakeImage, asked: Platform): ResolvedImage {
  const platform = image.platform ?? asked;
  const diffIds = Array.from({ length: image.layerCount ?? 1 }, (_, index) => digestOf(`${ref} ${index}`) as DiffID);
  return {
    ref,
    manifest: digestOf(`manifest of ${ref}`),
    root: digestOf(`index of ${ref}`),
    platform,
    from: 'registry',
    layers: diffIds.map((diffId) => ({
      mediaType: 'application/vnd.oci.image.layer.v1.tar+gzip',
      digest: diffId,
      size: 1,
    })),
    config: {
      ...platform,
      ...(image.author === undefined ? {} : { author: image.author }),
      config: image.config ?? {},
      history: image.history ?? [],
      rootfs: { type: 'layers', diff_ids: diffIds },
    },
  };
}
