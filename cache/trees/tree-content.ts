import { lstatSync } from 'node:fs';
import { type BytePath, hostPath } from '../../src/core/byte-path.ts';
import type { FileEntry, FileTree } from '../../src/core/file-tree.ts';
import type { TreeContent } from '../layers/layer-store.ts';

/** Bytes that lie in a file of this machine. */
export type HostContent = Extract<TreeContent, { readonly kind: 'host' }>;

/**
 * Where the bytes of a regular file of `tree` are, in the state in which the tree saw them; for trees that do not say, in the
 * state of now.
 */
export function treeContent(tree: FileTree, path: BytePath, file: FileEntry): HostContent {
  const host = tree.contentPath(path);
  if (file.host !== undefined) return { kind: 'host', path: host, mtimeMs: file.host.mtimeMs, inode: file.host };
  return { kind: 'host', path: host, mtimeMs: lstatSync(hostPath(host)).mtimeMs };
}
