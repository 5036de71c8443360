import type { Descriptor } from '../src/core/descriptor.ts';
import type { DiffID } from '../src/core/digest.ts';
import { type Digest, digestOfJson } from '../src/core/digest.ts';
import type { SourceExcerpt } from '../src/core/errors.ts';
import type { DnsSettings, NetworkMode, ResourceLimits, SecurityMode, Ulimit } from '../src/core/executor.ts';
import type { Platform } from '../src/core/platform.ts';

/**
 * A step of a build as data. Its digest covers the operation and its inputs, never `options`, so that equal work is found to be
 * equal. Ops mirror BuildKit's LLB (solver/pb/ops.proto) one to one.
 */
export interface Vertex {
  readonly digest: Digest;
  readonly op: OpDefinition;
  /** The edges: vertices whose results the op uses, by the indices that the op speaks of. */
  readonly inputs: readonly Vertex[];
  readonly options: VertexOptions;
}

/** What does not change the result: how it is shown, where it was written, whether the cache may answer. */
export interface VertexOptions {
  /** `[stage 2/5] RUN npm ci`. */
  readonly name: string;
  readonly stage?: string;
  readonly source?: SourceExcerpt;
  /** Run even if a record matches. */
  readonly ignoreCache?: boolean;
}

export type OpDefinition = ImageOp | LocalOp | HttpOp | GitOp | ExecOp | FileOp | MergeOp | DiffOp;

/** The layers of an image; no inputs. Keyed by the diffIDs, so that a base that changed only its config misses nothing. */
export interface ImageOp {
  readonly kind: 'image';
  readonly ref: string;
  readonly manifest: Digest;
  readonly platform: Platform;
  readonly layers: readonly { readonly descriptor: Descriptor; readonly diffId: DiffID }[];
  /** Who fetches the layers: the name of a source that the engine knows (`registry`, `oci-layout:<path>`, `store`). */
  readonly from: string;
}

/** Files of a build context; no inputs. What is read of it is part of the key of whoever reads it, never the context itself. */
export interface LocalOp {
  readonly kind: 'local';
  /** `context`, or the name of a named context. */
  readonly name: string;
}

/** One file fetched from a URL; no inputs. The result is a tree with that one file at `/<filename>`. */
export interface HttpOp {
  readonly kind: 'http';
  readonly url: string;
  readonly filename: string;
  readonly checksum?: string;
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
}

/** A checkout of a Git repository; no inputs. */
export interface GitOp {
  readonly kind: 'git';
  readonly url: string;
  readonly ref?: string;
  readonly subdir?: string;
  readonly checksum?: string;
  readonly keepGitDir: boolean;
  readonly submodules: boolean;
  /** Files have the time of the commit rather than that of the checkout. */
  readonly mtime?: 'commit';
  /** `checksum`, which is a whole commit, is fetched without asking what `ref` means. */
  readonly fetchByCommit?: boolean;
}

/** Index of an input, or `scratch` for an empty tree. */
export type InputRef = number | 'scratch';

/** A process run on input `root`; the result is the root with what it changed. */
export interface ExecOp {
  readonly kind: 'exec';
  readonly root: InputRef;
  readonly args: readonly string[];
  readonly env: readonly string[];
  readonly cwd: string;
  readonly user: string;
  readonly hostname?: string;
  readonly network: NetworkMode;
  readonly security: SecurityMode;
  readonly mounts: readonly ExecMount[];
  readonly devices: readonly { readonly name: string; readonly required: boolean }[];
  /** What never enters a key, a history or an image: proxies, hosts and name servers, limits. */
  readonly unkeyed: {
    readonly proxyEnv: readonly string[];
    readonly extraHosts: readonly { readonly host: string; readonly ip: string }[];
    readonly dns?: DnsSettings;
    readonly ulimits: readonly Ulimit[];
    readonly shmSizeBytes?: number;
    readonly resources?: ResourceLimits;
    readonly cgroupParent?: string;
  };
  readonly platform: Platform;
}

/** A `RUN --mount`. `target` is absolute, with the working directory already applied. */
export type ExecMount =
  | {
      readonly type: 'bind';
      readonly target: string;
      readonly input: InputRef;
      readonly source: string;
      readonly readwrite: boolean;
    }
  | {
      readonly type: 'cache';
      readonly target: string;
      readonly id: string;
      readonly input: InputRef;
      readonly source: string;
      readonly sharing: 'shared' | 'private' | 'locked';
      readonly readonly: boolean;
      readonly mode: number;
      readonly uid: number;
      readonly gid: number;
    }
  | { readonly type: 'tmpfs'; readonly target: string; readonly sizeBytes?: number }
  | {
      readonly type: 'secret';
      readonly id: string;
      readonly target?: string;
      readonly env?: string;
      readonly required: boolean;
      readonly mode: number;
      readonly uid: number;
      readonly gid: number;
    }
  | {
      readonly type: 'ssh';
      readonly id: string;
      readonly target: string;
      readonly required: boolean;
      readonly mode: number;
      readonly uid: number;
      readonly gid: number;
    };

/** File actions in order on input `root`; the result is the root with one layer more. */
export interface FileOp {
  readonly kind: 'file';
  readonly root: InputRef;
  readonly actions: readonly FileAction[];
}

/** Ownership as written: names are looked up in the root's own /etc/passwd and /etc/group; undefined is 0:0. */
export type Owner = { readonly user?: string; readonly group?: string };

export type FileAction = CopyAction | MakeFileAction | MakeDirAction | RemoveAction;

/** One COPY source onto one destination, by the rules of COPY and ADD (Dockerfile reference). */
export interface CopyAction {
  readonly action: 'copy';
  readonly input: InputRef;
  /** Path or pattern (Go's filepath.Match syntax unless `literal`), absolute in the input. */
  readonly source: string;
  readonly literal: boolean;
  /** Absolute in the root; a trailing slash means a folder. */
  readonly destination: string;
  readonly owner?: Owner;
  /** Octal bits, or a symbolic mode as chmod(1) takes it, applied to every file that is copied. */
  readonly chmod?: number | string;
  /** ADD: unpack a local archive (tar, and tar with gzip, bzip2, xz or zstd) instead of copying it. */
  readonly unpack: boolean;
  /** COPY --parents: keep the source's folders, below its `/./` where there is one. */
  readonly parents: boolean;
  /** COPY --exclude patterns, in .dockerignore's syntax, relative to the source. */
  readonly exclude: readonly string[];
  /** A source that matches nothing is an error (true unless it is a wildcard beside other sources). */
  readonly mustMatch: boolean;
  /** Whether a folder's contents are copied rather than the folder itself (COPY and ADD: always). */
  readonly contentsOnly: boolean;
  /** How the source was written, for messages. */
  readonly written: string;
  /** COPY --link: the copy does not look at the root, and its layer is the same on any root. */
  readonly link: boolean;
}

/** A file with these bytes (COPY heredocs), overwriting what is there. */
export interface MakeFileAction {
  readonly action: 'mkfile';
  readonly destination: string;
  readonly text: string;
  readonly mode: number;
  readonly owner?: Owner;
}

/** A folder (WORKDIR), with its parents where asked; an existing one is left as it is. */
export interface MakeDirAction {
  readonly action: 'mkdir';
  readonly path: string;
  readonly mode: number;
  readonly parents: boolean;
  readonly owner?: Owner;
}

export interface RemoveAction {
  readonly action: 'rm';
  readonly path: string;
  readonly allowNotFound: boolean;
}

/** The layers of every input on top of those of the one before; scratch inputs are skipped. */
export interface MergeOp {
  readonly kind: 'merge';
}

/** What input 1 has on top of input 0, as one layer or the layers above a common stack. */
export interface DiffOp {
  readonly kind: 'diff';
  readonly lower: InputRef;
  readonly upper: InputRef;
}

/** Makes a vertex; its digest follows from the op (less what never enters a key) and the inputs. */
export function vertex(op: OpDefinition, inputs: readonly Vertex[], options: VertexOptions): Vertex {
  const { unkeyed: _unkeyed, ...keyed } = op as ExecOp;
  return { digest: digestOfJson({ op: keyed, inputs: inputs.map((input) => input.digest) }), op, inputs, options };
}
