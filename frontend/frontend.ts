import type { Vertex } from '../solver/vertex.ts';
import type { SlipwayError, SourceExcerpt } from '../src/core/errors.ts';
import type { DnsSettings, NetworkMode, ResourceLimits, Ulimit } from '../src/core/executor.ts';
import type { ImageConfig } from '../src/core/image-config.ts';
import type { ImageResolver } from '../src/core/image-source.ts';
import type { Platform } from '../src/core/platform.ts';

/** What a Dockerfile is converted with. Plain data: conversion depends on this, the text, and resolved images, and nothing else. */
export interface FrontendRequest {
  readonly dockerfile: { readonly name: string; readonly text: string };
  /** Undefined builds the last stage. */
  readonly target?: string;
  readonly buildArgs: Readonly<Record<string, string>>;
  readonly labels: Readonly<Record<string, string>>;
  readonly platform: Platform;
  readonly buildPlatform: Platform;
  /** Named contexts, which replace images and stages of that name. */
  readonly contexts: Readonly<Record<string, NamedContext>>;
  /** `all`, or the stages whose steps run again. */
  readonly noCache: 'all' | readonly string[];
  readonly network: NetworkMode;
  readonly entitlements: {
    readonly networkHost: boolean;
    readonly securityInsecure: boolean;
  };
  readonly extraHosts: readonly { readonly host: string; readonly ip: string }[];
  readonly dns?: DnsSettings;
  readonly ulimits: readonly Ulimit[];
  readonly shmSizeBytes?: number;
  readonly resources?: ResourceLimits;
  readonly cgroupParent?: string;
  readonly hostname?: string;
  /** SOURCE_DATE_EPOCH of the environment, seconds; a build argument or global ARG of that name wins. */
  readonly epoch?: number;
  /** Set where no platform was asked for: the result keeps its base's, rather than `platform`. */
  readonly implicitPlatform?: boolean;
  /** Set where one Dockerfile is built for several platforms: step names then say which. */
  readonly multiPlatform?: boolean;
  /** What the main context's .dockerignore leaves out, for the check CopyIgnoredFile. */
  readonly contextIgnore?: ContextIgnore;
  /** Results of other targets, by name, for contexts of kind `target`. */
  readonly targets?: Readonly<Record<string, Definition>>;
}

/** An ignore file's patterns and what they do to a path of the context. */
export interface ContextIgnore {
  readonly patterns: readonly string[];
  excludes(path: string): boolean;
}

/** What stands behind a `--build-context` name. A folder of the host is read as a LocalOp of that name. */
export type NamedContext =
  | { readonly kind: 'local' }
  | { readonly kind: 'image'; readonly ref: string }
  /** `oci-layout://PATH`, `http(s)://…` tarballs and Git URLs, as written. */
  | { readonly kind: 'oci-layout'; readonly path: string; readonly reference: string }
  | { readonly kind: 'url'; readonly url: string }
  | { readonly kind: 'git'; readonly url: string }
  /** Another target of the same build (bake). */
  | { readonly kind: 'target'; readonly name: string };

export interface LintWarning {
  /** BuildKit's rule name, `StageNameCasing`. */
  readonly rule: string;
  readonly message: string;
  readonly description: string;
  readonly url: string;
  readonly source: SourceExcerpt;
}

/** A converted Dockerfile, for one platform. */
export interface Definition {
  /** `scratch`: an image of no layers. */
  readonly root: Vertex | 'scratch';
  /** Of the result, with the history of base and build; entries of this build have no `created`, `rootfs.diff_ids` is the base's. */
  readonly config: ImageConfig;
  readonly warnings: readonly LintWarning[];
  readonly platform: Platform;
  /** SOURCE_DATE_EPOCH in effect, seconds. */
  readonly epoch?: number;
}

/** A build argument that no ARG declares, so that it changed nothing. */
export interface UnusedBuildArg {
  readonly name: string;
  /** The ARG that was probably meant. */
  readonly meant?: string;
}

/** What a conversion comes to. What was noticed on the way stands either way. */
export type Conversion = {
  readonly warnings: readonly LintWarning[];
  readonly unusedBuildArgs: readonly UnusedBuildArg[];
} & ({ readonly definition: Definition } | { readonly error: SlipwayError });

/** Text to definition. Throws SlipwayError with a source for everything that BuildKit refuses. */
export type Convert = (request: FrontendRequest, images: ImageResolver, signal: AbortSignal) => Promise<Definition>;
