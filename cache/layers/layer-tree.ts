import { type BytePath, ownText } from '../../src/core/byte-path.ts';
import type { FileEntry } from '../../src/core/file-tree.ts';
import type { TreeContent, TreeEntry } from './layer-store.ts';
import { type FileSource, NumberedFiles } from './numbered-files.ts';

/** Anything but a folder. Names that share one are hard links of each other. */
export interface LayerFile {
  file: FileEntry;
  /** Where the bytes are; of regular files only. */
  readonly content?: TreeContent;
}

/** A number stands for a file of `NumberedFiles`. */
export type TreeChild = TreeFolder | LayerFile | 'removed' | number;

export interface TreeFolder {
  file: FileEntry;
  /** All but what is `listed`. */
  readonly children: Map<string, TreeChild>;
  listed?: ListedFiles | undefined;
  /** Whether what the layers below have at this path shows through. */
  readonly isMerged: boolean;
  /** Whether the folder hides what the layers below have in it. */
  readonly isOpaque: boolean;
}

/** Files of a source that a folder has by the names that they have there, of which no list is made. */
export interface ListedFiles {
  /** Sorted by bytes. */
  readonly names: readonly BytePath[];
  /** The number of the first name's file; they are consecutive. */
  readonly first: number;
  /** Whether the file at a position is one of the folder's. */
  readonly includes: (index: number) => boolean;
}

/** What a layer has at a path; `below`: nothing, so that what is below it counts. */
export type TreeNode = TreeFolder | LayerFile | 'removed' | 'below';

/** A name in a folder of a layer. */
export interface TreeName {
  readonly name: BytePath;
  readonly isRemoved: boolean;
}

const ROOT: FileEntry = { type: 'dir', mode: 0o755, uid: 0, gid: 0, size: 0, mtime: 0 };
const REMOVED = { kind: 'removed' } as const;

/**
 * A layer in tree form, with nothing but a name and a number for most of its files, because there may be millions. Its entries are made
 * while they are iterated over, in the order of a layer's archive.
 */
export class LayerTree implements Iterable<TreeEntry> {
  readonly top: TreeFolder = newTreeFolder(ROOT, { isMerged: true });
  readonly #files = new NumberedFiles();
  /** Files that have several names, numbered. */
  readonly #shared = new Map<LayerFile, number>();

  find(path: BytePath): TreeNode | undefined {
    let node: TreeFolder = this.top;
    for (let start = 1; start < path.length; ) {
      const slash = path.indexOf('/', start);
      const end = slash < 0 ? path.length : slash;
      const name = path.slice(start, end);
      const child = this.child(node, name);
      if (child === undefined) return node.isMerged ? 'below' : undefined;
      const isLast = end === path.length;
      if (typeof child === 'number') return isLast ? this.#files.get(child, name) : undefined;
      if (child === 'removed') return isLast ? child : undefined;
      if (!isTreeFolder(child)) return isLast ? child : undefined;
      node = child;
      start = end + 1;
    }
    return node;
  }

  /** What the layer has in a folder by a name. */
  child({ children, listed }: TreeFolder, name: string): TreeChild | undefined {
    return children.get(name) ?? (listed === undefined ? undefined : listedNumber(listed, name));
  }

  /** Puts a file in the place of whatever is in the folder by this name. */
  put(folder: TreeFolder, name: string, file: LayerFile): void {
    this.#set(folder, name, this.#files.pack(file, name) ?? file);
  }

  /** The same with a file that is given other names, too. */
  putShared(folder: TreeFolder, name: string, file: LayerFile): void {
    if (!this.#shared.has(file)) this.#shared.set(file, this.#shared.size);
    this.#set(folder, name, file);
  }

  putFolder(folder: TreeFolder, name: string, made: TreeFolder): void {
    this.#set(folder, name, made);
  }

  /** Hides what the layers below have in the folder by this name. */
  remove(folder: TreeFolder, name: string): void {
    this.#set(folder, name, 'removed');
  }

  /** Takes a name out of the layer, which then says nothing of it. */
  forget(folder: TreeFolder, name: string): void {
    unlist(folder, name);
    folder.children.delete(name);
  }

  /** Takes files on that are made anew when they are asked for, for `putNumbered` and `putListed`. Returns the number of the first. */
  addSource(source: FileSource): number {
    return this.#files.add(source);
  }

  /** Puts a file of a source. `name` is no part of a longer text that would be kept with it. */
  putNumbered(folder: TreeFolder, name: string, number: number): void {
    unlist(folder, name);
    folder.children.set(name, number);
  }

  /** Puts files of a source into a folder that is empty. */
  putListed(folder: TreeFolder, listed: ListedFiles): void {
    folder.listed = listed;
  }

  #set(folder: TreeFolder, name: string, child: TreeChild): void {
    unlist(folder, name);
    folder.children.set(ownText(name), child);
  }

  /** What the layer says of a path itself; `link` of its file is equal for the names of one file. */
  change(path: BytePath): TreeEntry['change'] | undefined {
    const node = this.find(path);
    if (node === undefined || node === 'below') return undefined;
    if (node === 'removed') return REMOVED;
    if (isTreeFolder(node)) return folderChange(node);
    const number = this.#shared.get(node);
    return fileChange(number === undefined ? node : { ...node, file: { ...node.file, link: String(number) } });
  }

  /** What the layer has in a folder, removed names too, sorted by bytes. */
  names(path: BytePath): readonly TreeName[] {
    const node = this.find(path);
    if (!isTreeFolder(node)) return [];
    return sortedNames(node).map((name) => ({
      name: name as BytePath,
      isRemoved: node.children.get(name) === 'removed',
    }));
  }

  /** A folder before what is in it; in each folder first what is removed, then the names by their bytes. */
  *[Symbol.iterator](): Generator<TreeEntry, void> {
    const firstNames = new Map<LayerFile, BytePath>();
    const pending = [{ folder: this.top, path: '', names: namesInOrder(this.top) }];
    for (let last = pending.at(-1); last !== undefined; last = pending.at(-1)) {
      const next = last.names.next();
      if (next.done) {
        pending.pop();
        continue;
      }
      const path = `${last.path}/${next.value}` as BytePath;
      const node = this.child(last.folder, next.value);
      if (node === undefined) throw new Error(`internal: ${path} was taken out of a tree that is read`);
      if (node === 'removed') yield { path, change: REMOVED };
      else if (isTreeFolder(node)) {
        yield { path, change: folderChange(node) };
        pending.push({ folder: node, path, names: namesInOrder(node) });
      } else if (typeof node === 'number') yield { path, change: fileChange(this.#files.get(node, next.value)) };
      else
        yield {
          path,
          change: fileChange(node, this.#shared.has(node) ? firstName(firstNames, node, path) : undefined),
        };
    }
  }
}

/** Entries as a tree, in any order in which a folder comes before what is in it, and a hard link after what it names. */
export function layerTreeOf(entries: Iterable<TreeEntry>): LayerTree {
  const tree = new LayerTree();
  for (const { path, change } of entries) {
    const slash = path.lastIndexOf('/');
    const folder = tree.find(path.slice(0, slash) as BytePath);
    if (!isTreeFolder(folder)) throw new Error(`internal: the folder of ${path} is not in its tree`);
    const name = path.slice(slash + 1);
    if (change.kind === 'removed') tree.remove(folder, name);
    else if (change.hardLinkTo !== undefined) putLink(tree, { folder, name, target: change.hardLinkTo });
    else if (change.file.type !== 'dir') tree.put(folder, name, change);
    else {
      const isOpaque = change.opaque === true;
      tree.putFolder(folder, name, newTreeFolder(change.file, { isMerged: !isOpaque, isOpaque }));
    }
  }
  return tree;
}

function putLink(
  tree: LayerTree,
  { folder, name, target }: { readonly folder: TreeFolder; readonly name: string; readonly target: BytePath },
): void {
  const slash = target.lastIndexOf('/');
  const targetFolder = tree.find(target.slice(0, slash) as BytePath);
  const file = tree.find(target);
  if (!isTreeFolder(targetFolder) || typeof file !== 'object' || isTreeFolder(file))
    throw new Error(`internal: a hard link to ${target}, which is not in its tree`);
  tree.putShared(targetFolder, target.slice(slash + 1), file);
  tree.putShared(folder, name, file);
}

/** An empty folder. */
export function newTreeFolder(
  file: FileEntry,
  { isMerged, isOpaque = false }: { readonly isMerged: boolean; readonly isOpaque?: boolean },
): TreeFolder {
  return { file, children: new Map(), isMerged, isOpaque };
}

export function isTreeFolder(node: TreeNode | number | undefined): node is TreeFolder {
  return typeof node === 'object' && 'children' in node;
}

function* namesInOrder(folder: TreeFolder): Generator<string> {
  const { children } = folder;
  const names = sortedNames(folder);
  for (const name of names) if (children.get(name) === 'removed') yield name;
  for (const name of names) if (children.get(name) !== 'removed') yield name;
}

function sortedNames({ children, listed }: TreeFolder): string[] {
  const names: string[] = listed === undefined ? [] : listed.names.filter((_name, index) => listed.includes(index));
  for (const name of children.keys()) names.push(name);
  return names.sort();
}

/** Keeps listed files by themselves from now on, where one of them is to be another. */
function unlist(folder: TreeFolder, name: string): void {
  const { listed, children } = folder;
  if (listed === undefined || listedNumber(listed, name) === undefined) return;
  for (const [index, each] of listed.names.entries())
    if (listed.includes(index)) children.set(each, listed.first + index);
  folder.listed = undefined;
}

/** The number of the file that is listed by a name. */
function listedNumber({ names, first, includes }: ListedFiles, name: string): number | undefined {
  let low = 0;
  for (let high = names.length; low < high; ) {
    const middle = (low + high) >>> 1;
    if ((names[middle] as string) < name) low = middle + 1;
    else high = middle;
  }
  return names[low] === name && includes(low) ? first + low : undefined;
}

function folderChange({ file, isOpaque }: TreeFolder): TreeEntry['change'] {
  return isOpaque ? { kind: 'present', file, opaque: true } : { kind: 'present', file };
}

function fileChange({ file, content }: LayerFile, hardLinkTo?: BytePath): TreeEntry['change'] {
  if (hardLinkTo !== undefined) return { kind: 'present', file, hardLinkTo };
  return content === undefined ? { kind: 'present', file } : { kind: 'present', file, content };
}

/** The path that has the bytes; undefined for that path itself, which is the first one that is asked about. */
function firstName(firstNames: Map<LayerFile, BytePath>, file: LayerFile, path: BytePath): BytePath | undefined {
  const first = firstNames.get(file);
  if (first === undefined) firstNames.set(file, path);
  return first;
}
