import type { BytePath } from '../../src/core/byte-path.ts';
import type { Descriptor, LayerBlob } from '../../src/core/descriptor.ts';
import type { DiffID } from '../../src/core/digest.ts';
import type { FileEntry, FileTree, HostState } from '../../src/core/file-tree.ts';
import type { OverlayXattrPrefix } from './overlay-format.ts';

/**
 * Names one change set. It has at least one of three forms: `tree` (entries whose bytes lie elsewhere; lives only in this
 * process), `dir` (a folder that overlayfs takes as a lower directory) and `blob` (a compressed tar in the content store, or in
 * a registry until it is needed). The store converts when a form is asked for, once, and keeps the result.
 * `[0-9a-f]{1,64}`; a pulled layer is named by its diffID.
 */
export type LayerId = string & { readonly __layerId: never };

/** Change sets, lowest first; the empty stack is scratch. What every vertex of the solver results in. */
export type LayerStack = readonly LayerId[];

/** Which file it is, however it is called, and the digest of its bytes where that is known. */
export type Inode = Pick<HostState, 'dev' | 'ino' | 'digest'>;

/** Where the bytes of a file in a tree layer come from. */
export type TreeContent =
  /** A file on this machine. It is opened without following symlinks, and must still have this size and mtime, and be this inode
   * where it is named, else `SLIPWAY_CONTEXT_CHANGED`. */
  | { readonly kind: 'host'; readonly path: BytePath; readonly mtimeMs: number; readonly inode?: Inode }
  | { readonly kind: 'bytes'; readonly bytes: Uint8Array };

/**
 * One entry of a layer, of which the root is none. A parent folder stands before its children, and every parent is there with its
 * attributes.
 */
export interface TreeEntry {
  /** Absolute in the root, clean; never below a symlink of the same tree. */
  readonly path: BytePath;
  /** `removed`: the path of the layers below is gone (a whiteout). */
  readonly change:
    | { readonly kind: 'removed' }
    /** `opaque`: a folder that hides what the layers below have in it. `content` for regular files. `hardLinkTo`: the path of
     * an earlier entry of this tree that is the same inode. */
    | {
        readonly kind: 'present';
        readonly file: FileEntry;
        readonly content?: TreeContent;
        readonly opaque?: boolean;
        readonly hardLinkTo?: BytePath;
      };
}

/** How a layer blob is compressed. `level` undefined is the compressor's default (gzip 5, which gives the size of BuildKit's, zstd 3). */
export interface Compression {
  readonly type: 'gzip' | 'zstd' | 'estargz' | 'uncompressed';
  readonly level?: number;
  /** Convert layers that exist already in another compression. */
  readonly force?: boolean;
}

/** Fetches a pulled layer's bytes when they are first needed: verified, idempotent. */
export interface BlobSource {
  /** Makes sure that the blob is in the content store. */
  fetch(descriptor: Descriptor, signal: AbortSignal): Promise<void>;
}

/** A layer that a process is about to write. Disposing without `commit` discards it. */
export interface ActiveLayer extends AsyncDisposable {
  readonly upperDir: string;
  readonly workDir: string;
  /** The upper folder becomes the `dir` form of a new layer. */
  commit(): Promise<LayerId>;
}

/** What the store lets a whole stack be used as, for as long as it is held: prune leaves the layers alone until it is disposed. */
export interface MountedStack extends Disposable {
  /** Folders for overlayfs, lowest first. */
  readonly lowerDirs: readonly string[];
}

/** Layers in all their forms. Many processes share the folder; methods may be called at the same time. */
export interface LayerStore {
  /** Whose extended attributes mark opaque folders in this store's layers; tried out on first use, then known to the store. */
  overlayXattrPrefix(): OverlayXattrPrefix;
  /** A layer from entries (COPY): a `LayerTree`, or what becomes one. Nothing is written until a form is asked for. */
  addTree(entries: Iterable<TreeEntry>): LayerId;
  /** A layer of an image: nothing is fetched or unpacked until a form is asked for. Idempotent by diffID. */
  addBlob(descriptor: Descriptor, diffId: DiffID, source: BlobSource): LayerId;
  /** An empty layer to write into. The executor mounts it with `userxattr` where `overlayXattrPrefix()` is `user.overlay.`. */
  prepare(): Promise<ActiveLayer>;

  /** Whether every layer of the stack has a form that outlives this process; records whose stack has not are no hits. */
  isDurable(stack: LayerStack): boolean;
  /** When the layer was made or first seen here, milliseconds since 1970; undefined where nothing of it is kept yet. */
  createdAt(layer: LayerId): number | undefined;
  /** Converts to folders what is not yet, and holds them. */
  mount(stack: LayerStack, signal: AbortSignal): Promise<MountedStack>;
  /**
   * The files that the stack makes, whiteouts applied; what must be fetched or unpacked for that is done before it resolves. Where
   * bytes lie (`contentPath`) stays true after it was disposed, while the store is open and a lease `build:…` is held: of what a build
   * that runs may have used, prune removes nothing.
   */
  view(stack: LayerStack, signal: AbortSignal): Promise<FileTree & Disposable>;
  /**
   * The files of one layer alone as entries, made while they are iterated over, in the order of the layer's archive: a folder before what
   * is in it, in each folder first what is removed, then the names by their bytes.
   */
  entries(layer: LayerId, signal: AbortSignal): Promise<Iterable<TreeEntry>>;
  /**
   * The layer as a blob, made if it is not there, compressed as asked; a blob that exists in another compression is kept
   * unless `force`. `epoch` (seconds): mtimes above it are clamped to it, in layers that this store made; blobs of other epochs
   * are different blobs of the same layer. The blob is in the content store, unless it is a pulled layer's that was not fetched:
   * `ensureFetched` brings that.
   */
  blob(
    layer: LayerId,
    compression: Compression,
    options: { readonly epoch?: number; readonly signal: AbortSignal },
  ): Promise<LayerBlob>;
  /** Fetches the blob of a pulled layer into the content store, where it is not yet. */
  ensureFetched(layer: LayerId, signal: AbortSignal): Promise<void>;
}
