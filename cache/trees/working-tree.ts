import type { BytePath } from '../../src/core/byte-path.ts';
import type { FileEntry, FileTree } from '../../src/core/file-tree.ts';
import type { TreeContent, TreeEntry } from '../layers/layer-store.ts';
import { treeContent } from './tree-content.ts';

/** A file that was written into a working tree. Names that share one are hard links of each other. */
export interface Inode {
  file: FileEntry;
  /** Where the bytes are; of regular files only. */
  readonly content?: TreeContent;
}

/** A name in the layer that is being made: a removed one hides what the root has there. A file costs nothing but its inode. */
type Node = FolderNode | Inode | 'removed';

interface FolderNode {
  inode: Inode;
  /** What the layer has in the folder. */
  readonly children: Map<string, Node>;
  /** Whether what the root has at this path shows through. */
  readonly isMerged: boolean;
}

const REMOVED = { kind: 'removed' } as const;
const ROOT_FOLDER: FileEntry = { type: 'dir', mode: 0o755, uid: 0, gid: 0, size: 0, mtime: 0 };

/**
 * A root and one layer being written on top of it, seen as one tree. Writing copies nothing: it notes where bytes are. Folders
 * of the root that are written into become part of the layer with the attributes they have. Paths are those of `FileTree`:
 * clean and without symlinks.
 */
export class WorkingTree implements FileTree {
  readonly #root: FileTree;
  readonly #top: FolderNode;

  constructor(root: FileTree) {
    this.#root = root;
    this.#top = folderNode({ file: root.lstat('/' as BytePath) ?? ROOT_FOLDER }, true);
  }

  lstat(path: BytePath): FileEntry | undefined {
    const found = this.#find(path);
    return found === 'in root' ? this.#root.lstat(path) : inodeOf(found)?.file;
  }

  readdir(path: BytePath): readonly BytePath[] {
    const found = this.#find(path);
    if (found === 'in root') return this.#root.readdir(path);
    if (!isFolder(found)) return [];
    if (!found.isMerged) return namesOf(found);
    const names = new Set<string>(this.#root.readdir(path));
    for (const [name, node] of found.children) {
      if (node === 'removed') names.delete(name);
      else names.add(name);
    }
    return [...names].sort() as BytePath[];
  }

  contentPath(path: BytePath): BytePath {
    const found = this.#find(path);
    if (found === 'in root') return this.#root.contentPath(path);
    const content = inodeOf(found)?.content;
    if (content?.kind !== 'host') throw new Error(`internal: no host file behind ${path}`);
    return content.path;
  }

  /** What is at a path, for making another name of it; undefined where there is nothing. */
  inode(path: BytePath): Inode | undefined {
    const found = this.#find(path);
    if (found !== 'in root') return inodeOf(found);
    const file = this.#root.lstat(path);
    if (file?.type !== 'file') return file === undefined ? undefined : { file };
    return { file, content: treeContent(this.#root, path, file) };
  }

  /** Writes anything but a folder, in place of whatever is there. The parent folder must exist. */
  put(path: BytePath, inode: Inode): void {
    const [parent, name] = this.#parentOf(path);
    parent.children.set(name, inode);
  }

  /** Makes a folder, in place of whatever is there that is not one; sets the attributes of one that is there. */
  putFolder(path: BytePath, file: FileEntry): void {
    if (path === '/') {
      this.#top.inode = { file };
      return;
    }
    const [parent, name] = this.#parentOf(path);
    const existing = parent.children.get(name);
    if (isFolder(existing)) existing.inode = { file };
    else parent.children.set(name, folderNode({ file }, existing === undefined && this.#isRootFolder(parent, path)));
  }

  /** Removes a name and everything below it. */
  remove(path: BytePath): void {
    const [parent, name] = this.#parentOf(path);
    if (parent.isMerged && this.#root.lstat(path) !== undefined) parent.children.set(name, 'removed');
    else parent.children.delete(name);
  }

  /** The layer: folders before what is in them, names in byte order; only what was written, and the folders it lies in. */
  entries(): TreeEntry[] {
    const entries: TreeEntry[] = [];
    this.#collect(this.#top, '', entries, new Map());
    return entries;
  }

  #collect(folder: FolderNode, path: string, entries: TreeEntry[], firstNames: Map<Inode, BytePath>): void {
    for (const name of [...folder.children.keys()].sort()) {
      const node = folder.children.get(name) as Node;
      const at = `${path}/${name}` as BytePath;
      if (node === 'removed') entries.push({ path: at, change: REMOVED });
      else if (isFolder(node)) {
        const isOpaque = !node.isMerged && folder.isMerged && this.#root.lstat(at)?.type === 'dir';
        const change = { kind: 'present', file: node.inode.file, ...(isOpaque ? { opaque: true } : {}) } as const;
        entries.push({ path: at, change });
        this.#collect(node, at, entries, firstNames);
      } else entries.push({ path: at, change: presentFile(node, at, firstNames) });
    }
  }

  #find(path: BytePath): FolderNode | Inode | 'in root' | undefined {
    let node: Node = this.#top;
    for (let start = 1; start < path.length; ) {
      if (!isFolder(node)) return undefined;
      const slash = path.indexOf('/', start);
      const end = slash < 0 ? path.length : slash;
      const child: Node | undefined = node.children.get(path.slice(start, end));
      if (child === undefined) return node.isMerged ? 'in root' : undefined;
      node = child;
      start = end + 1;
    }
    return node === 'removed' ? undefined : node;
  }

  #parentOf(path: BytePath): [FolderNode, string] {
    const slash = path.lastIndexOf('/');
    return [this.#writtenFolder(path.slice(0, slash) as BytePath), path.slice(slash + 1)];
  }

  /** The folder's node in the layer; made from what the root has, where the layer had no part of it yet. */
  #writtenFolder(path: BytePath): FolderNode {
    let node = this.#top;
    for (let start = 1; start < path.length; ) {
      const slash = path.indexOf('/', start);
      const end = slash < 0 ? path.length : slash;
      const name = path.slice(start, end);
      let child = node.children.get(name);
      if (child === undefined && node.isMerged) {
        const file = this.#root.lstat(path.slice(0, end) as BytePath);
        if (file !== undefined) child = folderNode({ file }, true);
      }
      if (!isFolder(child)) throw new Error(`internal: ${path} is no folder`);
      node.children.set(name, child);
      node = child;
      start = end + 1;
    }
    return node;
  }

  #isRootFolder(parent: FolderNode, path: BytePath): boolean {
    return parent.isMerged && this.#root.lstat(path)?.type === 'dir';
  }
}

function folderNode(inode: Inode, isMerged: boolean): FolderNode {
  return { inode, children: new Map(), isMerged };
}

function isFolder(node: Node | undefined): node is FolderNode {
  return typeof node === 'object' && 'children' in node;
}

function inodeOf(node: FolderNode | Inode | undefined): Inode | undefined {
  return isFolder(node) ? node.inode : node;
}

function namesOf(folder: FolderNode): BytePath[] {
  const names: string[] = [];
  for (const [name, node] of folder.children) if (node !== 'removed') names.push(name);
  return names.sort() as BytePath[];
}

function presentFile(inode: Inode, path: BytePath, firstNames: Map<Inode, BytePath>): TreeEntry['change'] {
  const { file, content } = inode;
  const first = firstNames.get(inode);
  if (first !== undefined) return { kind: 'present', file, hardLinkTo: first };
  firstNames.set(inode, path);
  return content === undefined ? { kind: 'present', file } : { kind: 'present', file, content };
}
