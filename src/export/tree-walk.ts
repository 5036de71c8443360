import { closeSync, constants, fstatSync, openSync, readSync } from 'node:fs';
import type { TarContent } from '../../cache/tar/tar-writer.ts';
import { type BytePath, displayPath, hostPath } from '../core/byte-path.ts';
import { SlipwayError } from '../core/errors.ts';
import type { FileEntry, FileTree } from '../core/file-tree.ts';

/** One file of a tree; the root itself is not visited. */
export interface VisitedFile {
  /** Absolute in the tree. */
  readonly path: BytePath;
  readonly name: BytePath;
  readonly entry: FileEntry;
  /** The path visited before that is the same inode. */
  readonly firstLink?: BytePath;
}

/** Everything in the tree, a folder before its contents, names in the order of their bytes. Sockets are left out: no layer holds them. */
export function* walkTree(tree: FileTree): Generator<VisitedFile> {
  const firstLinks = new Map<string, BytePath>();
  const pending: { readonly folder: string; readonly names: Iterator<BytePath> }[] = [];
  const enter = (folder: string) =>
    pending.push({ folder, names: tree.readdir((folder || '/') as BytePath)[Symbol.iterator]() });
  for (enter(''); pending.length > 0; ) {
    const { folder, names } = pending[pending.length - 1] as (typeof pending)[number];
    const next = names.next();
    if (next.done) {
      pending.pop();
      continue;
    }
    const path = `${folder}/${next.value}` as BytePath;
    const entry = tree.lstat(path);
    if (entry === undefined || entry.type === 'socket') continue;
    const firstLink = entry.type === 'dir' || entry.link === undefined ? undefined : firstLinks.get(entry.link);
    if (entry.link !== undefined && firstLink === undefined) firstLinks.set(entry.link, path);
    yield { path, name: next.value, entry, ...(firstLink === undefined ? {} : { firstLink }) };
    if (entry.type === 'dir') enter(path);
  }
}

/** Opens the bytes of a file of the tree; an error where it is not the file that the tree said it is. */
export function openTreeFile(tree: FileTree, path: BytePath, size: number): number {
  const place = tree.contentPath(path);
  // O_NONBLOCK: a fifo that took the file's place must not make the build wait for a writer.
  const descriptor = openSync(hostPath(place), constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  const stats = fstatSync(descriptor);
  if (stats.isFile() && stats.size === size) return descriptor;
  closeSync(descriptor);
  throw changed(path, size);
}

/** The bytes of a file of the tree for an archive. */
export function treeContent(tree: FileTree, path: BytePath, size: number): TarContent {
  const descriptor = openTreeFile(tree, path, size);
  return {
    read: (into) => {
      const count = readSync(descriptor, into, 0, into.length, null);
      if (count === 0) throw changed(path, size);
      return count;
    },
    [Symbol.dispose]: () => closeSync(descriptor),
  };
}

function changed(path: BytePath, size: number): SlipwayError {
  return new SlipwayError(
    'SLIPWAY_CONTEXT_CHANGED',
    `${displayPath(path)} changed while it was being exported: expected a regular file of ${size} bytes`,
    { hint: 'build again once nothing writes to the context' },
  );
}
