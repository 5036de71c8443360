import type { BytePath } from '../src/core/byte-path.ts';
import type { Digest } from '../src/core/digest.ts';
import type { FileEntry, FileTree } from '../src/core/file-tree.ts';
import type { KeyPart } from './records/record-store.ts';

/** Files of a tree that an op reads. Order does not matter: the digest sorts by name. */
export interface ContentSelection {
  readonly roots: readonly SelectedRoot[];
  /** Whether a path below (or at) a root is left out; of an excluded folder the children are asked about all the same. */
  readonly exclude?: (path: BytePath, entry: FileEntry) => boolean;
}

/** A file, or a folder with everything below it. */
export interface SelectedRoot {
  /** Absolute in the tree, resolved. A path that does not exist is part of the digest as absent. */
  readonly path: BytePath;
  /**
   * What the digest calls it; files below get it as a prefix. An op for which the place of the files does not matter, or whose own
   * digest names it, passes a fixed name, so that equal files at another place give an equal digest. Default: `path`.
   */
  readonly name?: string;
}

/**
 * A digest of files, with parts to explain misses: one a file (`file <name>`, its attributes and a digest of its bytes), or of very many
 * files one a folder (`folder <name>`).
 */
export interface ContentDigest {
  readonly digest: Digest;
  readonly parts: readonly KeyPart[];
}

/**
 * Digests the selected files: name, type, mode, uid, gid, size, link target, device, xattrs and bytes, never the mtime. It is a Merkle
 * tree: a folder's digest is one of the files in it and of its folders' digests. Bytes of files whose inode did not change since they were
 * last digested are not read again, and of a folder in which nothing changed, nothing is looked at but the stamps of its files.
 */
export type ContentDigester = (
  tree: FileTree,
  selection: ContentSelection,
  signal: AbortSignal,
) => Promise<ContentDigest>;
