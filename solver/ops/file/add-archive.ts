import type { HostFile } from '../../../cache/layers/host-content.ts';
import { ArchiveWriter } from '../../../cache/trees/archive-writer.ts';
import { type Ids, makeFolders, resolveInRoot } from '../../../cache/trees/make-folders.ts';
import { unpackFile } from '../../../cache/trees/unpack-archive.ts';
import type { WorkingTree } from '../../../cache/trees/working-tree.ts';
import { type BytePath, displayPath } from '../../../src/core/byte-path.ts';
import { cleanComponents } from './file-pattern.ts';

const FOLDER_MODE = 0o755;

export interface AddArchiveOptions {
  readonly tree: WorkingTree;
  /** Owns everything that is unpacked; undefined takes the archive's owners. */
  readonly owner: Ids | undefined;
  /** Modification time of folders that the archive does not have, seconds since 1970. */
  readonly now: number;
  /** A folder that does not exist yet, which keeps the archive's bytes for as long as the layer needs them. */
  readonly folder: string;
  readonly signal: AbortSignal;
}

/**
 * ADD of a local archive: unpacks it into the destination, which becomes a folder. Resolves to false, with nothing done, for a file
 * that is no tar archive, compressed or not: that is copied. What breaks after the first entry is an error, as in BuildKit.
 */
export async function addArchive(source: HostFile, destination: string, options: AddArchiveOptions): Promise<boolean> {
  const { tree, owner, now, folder, signal } = options;
  const name = displayPath(source.path.slice(source.path.lastIndexOf('/') + 1) as BytePath);
  let writer: ArchiveWriter | undefined;
  const start = () => {
    const target = resolveInRoot(tree, `/${cleanComponents(destination).join('/')}`);
    makeFolders(tree, target, { parentMode: FOLDER_MODE, owner, now });
    return new ArchiveWriter(name, target, { tree, owner, now });
  };
  return unpackFile(
    { ...source, name },
    (file) => {
      writer ??= start();
      writer.write(file);
    },
    { folder, signal },
  );
}
