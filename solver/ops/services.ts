import type { ContentStore } from '../../cache/content/content-store.ts';
import type { ContentDigester } from '../../cache/content-selection.ts';
import type { DownloadStore } from '../../cache/downloads/download-store.ts';
import type { FailedStepStore } from '../../cache/failed-steps/failed-step-store.ts';
import type { GitRepositories } from '../../cache/git/git-source.ts';
import type { BlobSource, LayerStore } from '../../cache/layers/layer-store.ts';
import type { CacheMountStore } from '../../cache/mounts/cache-mount-store.ts';
import type { Executor, LendTerminal } from '../../src/core/executor.ts';
import type { Fetch } from '../../src/core/fetch-url.ts';
import type { FileTree } from '../../src/core/file-tree.ts';

/** What ops work with. The engine constructs it, one a build; ops hold no state of their own. */
export interface OpServices {
  readonly layers: LayerStore;
  readonly content: ContentStore;
  readonly digestContent: ContentDigester;
  readonly cacheMounts: CacheMountStore;
  /** What URLs gave before, and what fetches them. */
  readonly downloads: DownloadStore;
  readonly fetch: Fetch;
  /** Remote repositories, opened when the first is needed. */
  git(): Promise<GitRepositories>;
  /** The executor, found when the first process is to run. Rejects with a `SlipwayError` that says what this machine lacks. */
  executor(): Promise<Executor>;
  /** The files behind `LocalOp.name`; rejects with a `SlipwayError` for a context that cannot be read. Memoised by the engine. */
  context(name: string): Promise<ContextFiles>;
  /** Who fetches the layers of an image: `ImageOp.from` and `ImageOp.ref`. */
  blobSource(from: string, ref: string): BlobSource;
  /** A path in the store that does not exist yet; what is made there stays for as long as the store is open. */
  temporaryPath(): string;
  /** The bytes of `--secret id=…`; undefined where the user gave none. Read each time, never kept. */
  secret(id: string): Uint8Array | undefined;
  /** An agent socket for `--ssh id`; undefined where the user gave none. The caller disposes it. */
  sshAgent(id: string): Promise<SshAgent | undefined>;
  /** Certificates that RUN steps are to trust besides the public ones; undefined where the user gave none. */
  trust(): Promise<TrustedCertificates | undefined>;
  /** How long a RUN may take, in milliseconds; undefined is as long as it likes. */
  readonly stepTimeoutMs?: number;
  /** What becomes of a RUN that failed; without, nothing. */
  readonly failures?: FailureServices;
  /**
   * What the user allowed with `--allow`, in BuildKit's words: `network.host`, `security.insecure`, `device`, `device=<name>`,
   * `device=<name>,alias=<name>`.
   */
  readonly entitlements: readonly string[];
  /** The devices that this machine has by a name that RUN --device takes; for `fail`, `SLIPWAY_DEVICE_UNKNOWN` where there are none. */
  devices(name: string, whenMissing: 'fail' | 'nothing'): readonly MachineDevice[];
}

/** A device that containers can be given. */
export interface MachineDevice {
  /** `vendor.com/class=name`. */
  readonly name: string;
  /** Whether the machine's administrator lets every build have it. */
  readonly autoAllow: boolean;
}

/** Where failed steps go. */
export interface FailureServices {
  readonly store: FailedStepStore;
  /** How many failed steps the store keeps; 0 for not keeping this one. */
  readonly keep: number;
  /** The command that opens a shell in what is kept, less the name of the step. */
  shellCommand(): Promise<string>;
  /** Given where the user wants a shell: shows the failure, and lets `use` have the terminal. */
  readonly lendTerminal?: LendTerminal;
  /** TERM of that terminal. */
  readonly terminalType: string | undefined;
}

/** What ops see of a build context (`src/context/build-context.ts` has the whole of it). */
export interface ContextFiles {
  readonly tree: FileTree;
  excludedBy(path: string): { readonly file: string; readonly line: number; readonly pattern: string } | undefined;
  readonly description: string;
}

/** Certificates in PEM. */
export interface TrustedCertificates {
  /** Those that the user gave. */
  readonly added: Uint8Array;
  /** Those and the public ones. */
  readonly all: Uint8Array;
}

/** An ssh agent's socket on this machine, for as long as it is held. */
export interface SshAgent extends AsyncDisposable {
  readonly socket: string;
}
