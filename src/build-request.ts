import type { Digest } from './core/digest.ts';
import type { DnsSettings, LendTerminal, ResourceLimits, Ulimit } from './core/executor.ts';
import type { ProgressEvent } from './core/progress.ts';
import type { OutputSpec } from './export/output-spec.ts';

/** Everything that `slipway build` can be told, checked and with defaults applied. Paths are relative to `cwd`. */
export interface BuildRequest {
  /** A folder, `-` (a tar or a Dockerfile on `stdin`), a tarball URL, a Git URL. */
  readonly context: string;
  /** Path relative to `cwd`, `-`, or a URL; undefined is `Dockerfile` (or `dockerfile`) in the context. */
  readonly file?: string;
  readonly cwd: string;
  readonly stdin?: AsyncIterable<Uint8Array>;
  readonly tags: readonly string[];
  readonly target?: string;
  readonly buildArgs: Readonly<Record<string, string>>;
  readonly buildContexts: Readonly<Record<string, string>>;
  readonly labels: Readonly<Record<string, string>>;
  readonly annotations: readonly string[];
  readonly platforms: readonly string[];
  readonly noCache: boolean;
  readonly noCacheFilter: readonly string[];
  readonly pull: boolean;
  /** `type=…,key=value` as parsed; empty is the local image store. */
  readonly outputs: readonly OutputSpec[];
  readonly secrets: readonly SecretSpec[];
  readonly ssh: readonly SshSpec[];
  readonly network: 'default' | 'none' | 'host';
  readonly addHosts: readonly { readonly host: string; readonly ip: string }[];
  /** Name servers and search domains of RUN steps, instead of the machine's own. */
  readonly dns?: DnsSettings;
  /** Files of certificates that RUN steps trust besides the public ones. */
  readonly caCertificates?: readonly string[];
  /** How long a RUN step may take, in milliseconds. */
  readonly stepTimeoutMs?: number;
  /** How many failed RUN steps the store keeps for `slipway shell`: 1 unless it is said; 0 for none of this build's. */
  readonly keepFailed?: number;
  readonly allow: readonly string[];
  readonly ulimits: readonly Ulimit[];
  readonly shmSizeBytes?: number;
  readonly resources?: ResourceLimits;
  readonly cgroupParent?: string;
  /** Seconds; SOURCE_DATE_EPOCH. */
  readonly epoch?: number;
  readonly isolation: 'auto' | 'oci' | 'native' | 'chroot';
  readonly ociRuntime?: string;
  /** The store's folder. */
  readonly root: string;
  /** The environment that build args without a value, secrets and proxies are taken from. */
  readonly env: Readonly<Record<string, string | undefined>>;
}

export type { OutputSpec };

export interface SecretSpec {
  readonly id: string;
  readonly source: { readonly file: string } | { readonly env: string };
}

export interface SshSpec {
  readonly id: string;
  /** Agent sockets or key files; empty is `SSH_AUTH_SOCK`. */
  readonly paths: readonly string[];
}

export interface BuildOptions {
  readonly signal?: AbortSignal;
  /** Called for every event in order, on the caller's thread; must not throw. */
  readonly onEvent?: (event: ProgressEvent) => void;
  /** Given where a RUN that fails is to open a shell: see `LendTerminal`. */
  readonly lendTerminal?: LendTerminal;
  /** Takes what `dest=-` writes. */
  readonly stdout?: NodeJS.WritableStream;
}

export interface BuildOutcome {
  /** Digest of the image config: docker's image id. Undefined for an output without an image. */
  readonly imageId?: Digest;
  /** Digest of the manifest, or of the index for several platforms. */
  readonly digest?: Digest;
  readonly platforms: readonly string[];
  readonly tags: readonly string[];
  /** For `--metadata-file`, in buildx's keys. */
  readonly metadata: Readonly<Record<string, unknown>>;
}
