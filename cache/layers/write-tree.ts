import { closeSync, readSync } from 'node:fs';
import { copyBytes } from '../../src/core/copy-bytes.ts';
import type { FileEntry } from '../../src/core/file-tree.ts';
import { checkUnchanged, openHostFile } from './host-content.ts';
import { type LayerFolderOptions, LayerFolderWriter, type WrittenFolder, writeAll } from './layer-folder-writer.ts';
import type { TreeContent, TreeEntry } from './layer-store.ts';

/** Files up to this size are read and written; for larger ones the kernel copies, or shares the blocks where the filesystem can. */
const KERNEL_COPY_FLOOR = 256 * 1024;
/** How many entries are written before others get a turn. */
const BATCH = 500;

/** Writes the entries of a tree layer as a folder in overlayfs's form. On any error the folder is the caller's to remove. */
export async function writeTree(
  entries: Iterable<TreeEntry>,
  folder: LayerFolderOptions,
  signal: AbortSignal,
): Promise<WrittenFolder> {
  const writer = new LayerFolderWriter(folder);
  let count = 0;
  for (const entry of entries) {
    if (++count % BATCH === 0) await new Promise((resolve) => setImmediate(resolve));
    signal.throwIfAborted();
    writeEntry(writer, entry);
  }
  return writer.finish();
}

function writeEntry(writer: LayerFolderWriter, { path, change }: TreeEntry): void {
  if (change.kind === 'removed') {
    writer.remove(path);
    return;
  }
  const { file, content, hardLinkTo } = change;
  if (hardLinkTo !== undefined) {
    writer.link(path, hardLinkTo);
    return;
  }
  switch (file.type) {
    case 'dir':
      writer.folder(path, file);
      if (change.opaque === true) writer.makeOpaque(path);
      return;
    case 'file':
      writer.file(path, file, (descriptor) => copyContent(content, file, descriptor));
      return;
    case 'symlink':
      writer.symlink(path, file);
      return;
    case 'char':
    case 'block':
    case 'fifo':
      writer.node(path, { ...file, type: file.type });
      return;
    case 'socket':
      // No archive can hold one, and nobody listens on it.
      return;
    default:
      throw new Error(`internal: file type ${file.type satisfies never}`);
  }
}

const small = Buffer.allocUnsafeSlow(KERNEL_COPY_FLOOR);

function copyContent(content: TreeContent | undefined, file: FileEntry, to: number): void {
  if (content === undefined) {
    if (file.size > 0) throw new Error('internal: a file of a tree has a size but no content');
    return;
  }
  if (content.kind === 'bytes') {
    writeAll(to, content.bytes);
    return;
  }
  const host = { path: content.path, size: file.size, mtimeMs: content.mtimeMs, inode: content.inode };
  const from = openHostFile(host);
  try {
    if (file.size > KERNEL_COPY_FLOOR) {
      // By descriptor: the file that was checked, wherever its path leads by now.
      copyBytes(`/proc/self/fd/${from}`, to);
    } else {
      for (let done = 0; done < file.size; ) {
        const read = readSync(from, small, 0, file.size - done, null);
        if (read === 0) break;
        writeAll(to, small.subarray(0, read));
        done += read;
      }
    }
    checkUnchanged(from, host);
  } finally {
    closeSync(from);
  }
}
