import type { TreeEntry } from '../../../cache/layers/layer-store.ts';
import { treeContent } from '../../../cache/trees/tree-content.ts';
import type { BytePath } from '../../../src/core/byte-path.ts';
import type { FileEntry, FileTree } from '../../../src/core/file-tree.ts';

/**
 * The entries that turn the files of `lower` into those of `upper`, parents before their children. Files count as equal by type,
 * owner, mode, size, mtime, target, device and xattrs, as in other differs of layers: their bytes are not compared.
 */
export function diffTrees(lower: FileTree, upper: FileTree): readonly TreeEntry[] {
  return new TreeDiff(lower, upper).entries;
}

class TreeDiff {
  readonly entries: TreeEntry[] = [];
  readonly #lower: FileTree;
  readonly #upper: FileTree;
  readonly #added = new Set<BytePath>();
  /** By inode: where a file with several names was added first. */
  readonly #links = new Map<string, BytePath>();

  constructor(lower: FileTree, upper: FileTree) {
    this.#lower = lower;
    this.#upper = upper;
    this.#compareFolders('/' as BytePath);
  }

  #compareFolders(folder: BytePath): void {
    const kept = new Set(this.#upper.readdir(folder));
    for (const name of this.#lower.readdir(folder)) {
      if (kept.has(name)) continue;
      this.#addFolders(folder);
      this.entries.push({ path: join(folder, name), change: { kind: 'removed' } });
    }
    for (const name of kept) this.#compare(join(folder, name));
  }

  #compare(path: BytePath): void {
    const [before, after] = [this.#lower.lstat(path), this.#upper.lstat(path)];
    if (after === undefined) throw new Error(`internal: a tree lists ${path} and does not have it`);
    if (before === undefined || !isEqual(before, after)) {
      this.#addFolders(parentOf(path));
      this.#add(path, after);
    }
    if (after.type === 'dir') this.#compareFolders(path);
  }

  /** The folders on the way, which a tree has to have with their attributes. */
  #addFolders(folder: BytePath): void {
    if (folder === '/' || this.#added.has(folder)) return;
    this.#addFolders(parentOf(folder));
    const file = this.#upper.lstat(folder);
    if (file !== undefined) this.#add(folder, file);
  }

  #add(path: BytePath, file: FileEntry): void {
    this.#added.add(path);
    const hardLinkTo = file.link === undefined ? undefined : this.#links.get(file.link);
    if (file.link !== undefined && hardLinkTo === undefined) this.#links.set(file.link, path);
    const how =
      hardLinkTo === undefined
        ? file.type === 'file'
          ? { content: treeContent(this.#upper, path, file) }
          : {}
        : { hardLinkTo };
    this.entries.push({ path, change: { kind: 'present', file, ...how } });
  }
}

function isEqual(a: FileEntry, b: FileEntry): boolean {
  const fields = ['type', 'mode', 'uid', 'gid', 'size', 'mtime', 'target'] as const;
  return (
    fields.every((field) => a[field] === b[field]) &&
    a.device?.major === b.device?.major &&
    a.device?.minor === b.device?.minor &&
    hasEqualXattrs(a, b)
  );
}

function hasEqualXattrs({ xattrs: a }: FileEntry, { xattrs: b }: FileEntry): boolean {
  if ((a?.size ?? 0) !== (b?.size ?? 0)) return false;
  return a === undefined || [...a].every(([name, value]) => b?.get(name) === value);
}

function join(folder: BytePath, name: BytePath): BytePath {
  return (folder === '/' ? `/${name}` : `${folder}/${name}`) as BytePath;
}

function parentOf(path: BytePath): BytePath {
  return (path.slice(0, path.lastIndexOf('/')) || '/') as BytePath;
}
