import type { BytePath } from '../../src/core/byte-path.ts';
import type { FileEntry, FileTree } from '../../src/core/file-tree.ts';
import { isTreeFolder, type LayerFile, LayerTree, newTreeFolder, type TreeFolder } from '../layers/layer-tree.ts';
import type { FileSource } from '../layers/numbered-files.ts';
import { treeContent } from './tree-content.ts';

/**
 * A root and one layer being written on top of it, seen as one tree. Writing copies nothing: it notes where bytes are. Folders
 * of the root that are written into become part of the layer with the attributes they have. Paths are those of `FileTree`:
 * clean and without symlinks.
 */
export class WorkingTree implements FileTree {
  /** What was written, and the folders it lies in. */
  readonly layer = new LayerTree();
  readonly #root: FileTree;

  constructor(root: FileTree) {
    this.#root = root;
    const file = root.lstat('/' as BytePath);
    if (file !== undefined) this.layer.top.file = file;
  }

  lstat(path: BytePath): FileEntry | undefined {
    const node = this.layer.find(path);
    if (node === 'below') return this.#root.lstat(path);
    return node === 'removed' ? undefined : node?.file;
  }

  readdir(path: BytePath): readonly BytePath[] {
    const node = this.layer.find(path);
    if (node === 'below') return this.#root.readdir(path);
    if (!isTreeFolder(node)) return [];
    const names = new Set<BytePath>(node.isMerged ? this.#root.readdir(path) : []);
    for (const { name, isRemoved } of this.layer.names(path)) {
      if (isRemoved) names.delete(name);
      else names.add(name);
    }
    return [...names].sort();
  }

  contentPath(path: BytePath): BytePath {
    const node = this.layer.find(path);
    if (node === 'below') return this.#root.contentPath(path);
    if (typeof node === 'object' && !isTreeFolder(node) && node.content?.kind === 'host') return node.content.path;
    throw new Error(`internal: no host file behind ${path}`);
  }

  /** What is at a path, for making another name of it; undefined where there is nothing. */
  inode(path: BytePath): LayerFile | undefined {
    const node = this.layer.find(path);
    if (node !== 'below') return node === 'removed' ? undefined : node;
    const file = this.#root.lstat(path);
    if (file?.type !== 'file') return file === undefined ? undefined : { file };
    return { file, content: treeContent(this.#root, path, file) };
  }

  /** Writes anything but a folder, in place of whatever is there. The parent folder must exist. */
  put(path: BytePath, file: LayerFile): void {
    const [parent, name] = this.#parentOf(path);
    this.layer.put(parent, name, file);
  }

  /** The same with a file that is given other names, too. */
  putShared(path: BytePath, file: LayerFile): void {
    const [parent, name] = this.#parentOf(path);
    this.layer.putShared(parent, name, file);
  }

  /** The folder at a path where nothing is in it, neither written nor of the root. */
  emptyFolder(path: BytePath): TreeFolder | undefined {
    const node = this.layer.find(path);
    return isTreeFolder(node) && !node.isMerged && node.children.size === 0 && node.listed === undefined
      ? node
      : undefined;
  }

  /** Takes files on that are made anew when they are asked for, for `putNumbered`. Returns the number of the first. */
  addSource(source: FileSource): number {
    return this.layer.addSource(source);
  }

  /** `put` with a file of a source. `name` is the path's last component, by itself. */
  putNumbered(path: BytePath, name: BytePath, number: number): void {
    const [parent] = this.#parentOf(path);
    this.layer.putNumbered(parent, name, number);
  }

  /** Makes a folder, in place of whatever is there that is not one; sets the attributes of one that is there. */
  putFolder(path: BytePath, file: FileEntry): void {
    if (path === '/') {
      this.layer.top.file = file;
      return;
    }
    const [parent, name] = this.#parentOf(path);
    const existing = this.layer.child(parent, name);
    if (isTreeFolder(existing)) {
      existing.file = file;
      return;
    }
    const isInRoot = parent.isMerged && this.#root.lstat(path)?.type === 'dir';
    const isMerged = isInRoot && existing === undefined;
    this.layer.putFolder(parent, name, newTreeFolder(file, { isMerged, isOpaque: isInRoot && !isMerged }));
  }

  /** Removes a name and everything below it. */
  remove(path: BytePath): void {
    const [parent, name] = this.#parentOf(path);
    if (parent.isMerged && this.#root.lstat(path) !== undefined) this.layer.remove(parent, name);
    else this.layer.forget(parent, name);
  }

  #parentOf(path: BytePath): [TreeFolder, string] {
    const slash = path.lastIndexOf('/');
    return [this.#writtenFolder(path.slice(0, slash) as BytePath), path.slice(slash + 1)];
  }

  /** The folder's node in the layer; made from what the root has, where the layer had no part of it yet. */
  #writtenFolder(path: BytePath): TreeFolder {
    let node: TreeFolder = this.layer.top;
    for (let start = 1; start < path.length; ) {
      const slash = path.indexOf('/', start);
      const end = slash < 0 ? path.length : slash;
      const name = path.slice(start, end);
      const child = this.layer.child(node, name) ?? this.#takeFolder(node, name, path.slice(0, end) as BytePath);
      if (!isTreeFolder(child)) throw new Error(`internal: ${path} is no folder`);
      node = child;
      start = end + 1;
    }
    return node;
  }

  #takeFolder(parent: TreeFolder, name: string, path: BytePath): TreeFolder | undefined {
    const file = parent.isMerged ? this.#root.lstat(path) : undefined;
    if (file === undefined) return undefined;
    const folder = newTreeFolder(file, { isMerged: true });
    this.layer.putFolder(parent, name, folder);
    return folder;
  }
}
