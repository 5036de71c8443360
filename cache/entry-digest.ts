import type { BytePath } from '../src/core/byte-path.ts';
import type { FileEntry, FileTree } from '../src/core/file-tree.ts';
import { hostStatReader } from '../src/core/host-stat-reader.ts';
import type { FileDigests, FileFacts } from './file-digests.ts';
import { hasLayerXattrs } from './hash-batch.ts';
import { changed, type HashFile } from './hash-file.ts';

/** Gives the digest of a file's bytes, 64 hex digits; an empty text for what has none. `path` is where the tree has the entry. */
export type DigestEntry = (tree: FileTree, path: BytePath, entry: FileEntry) => string;

/** Digests files one by one, and remembers of each what was found out, also whether there are extended attributes. */
export function entryDigester(known: FileDigests, hashFile: HashFile): DigestEntry {
  const stat = hostStatReader();
  return (tree, path, entry) => {
    const isFile = entry.type === 'file';
    if (!isFile && (entry.type !== 'dir' || entry.host === undefined)) return '';
    const hostFile = tree.contentPath(path);
    const state = entry.host ?? stat(hostFile);
    if (state === undefined) throw changed(path);
    const file = { path: hostFile, size: entry.size, state };
    const remembered = known.lookup(file);
    if (remembered?.isPlain) state.isPlain = true;
    const facts: FileFacts = {
      digest: remembered?.digest ?? (isFile ? hashFile(file) : ''),
      isPlain: entry.host !== undefined && (entry.xattrs?.size ?? 0) === 0,
    };
    if (facts.isPlain) state.isPlain = true;
    if (isFile) state.digest = facts.digest;
    if (remembered === undefined || remembered.isPlain !== facts.isPlain) known.note(file, facts);
    return facts.digest;
  };
}

/** Digests a file of a folder that is remembered as a whole: what is found out stays with the entry's state. */
export function stateDigester(hashFile: HashFile): DigestEntry {
  return (tree, path, entry) => {
    const { type, size, host: state } = entry;
    if (state === undefined || (type !== 'file' && type !== 'dir')) return '';
    const look = (descriptor: number) => {
      if (!hasLayerXattrs(descriptor)) state.isPlain = true;
    };
    if (type === 'file') state.digest ??= hashFile({ path: tree.contentPath(path), size, state }, look);
    if (!state.isPlain && (entry.xattrs?.size ?? 0) === 0) state.isPlain = true;
    return state.digest ?? '';
  };
}
