import type { LayerFile } from '../../../cache/layers/layer-tree.ts';
import type { FileSource } from '../../../cache/layers/numbered-files.ts';
import { cannotWrite, type Ids, makeFolders, nameOfType, resolveInRoot } from '../../../cache/trees/make-folders.ts';
import { treeContent } from '../../../cache/trees/tree-content.ts';
import type { WorkingTree } from '../../../cache/trees/working-tree.ts';
import type { BytePath } from '../../../src/core/byte-path.ts';
import type { SlipwayError } from '../../../src/core/errors.ts';
import type { FileEntry, FileTree } from '../../../src/core/file-tree.ts';
import type { FolderState } from '../../../src/core/folder-state.ts';
import { isSharedAt, typeAt } from '../../../src/core/host-stamp.ts';
import type { ModeChange } from './chmod.ts';
import type { PathFilter } from './copy-filter.ts';
import { cleanComponents } from './file-pattern.ts';
import type { CopySource } from './select-sources.ts';

export interface CopyOptions {
  /** Absolute, as written: a slash (or `/.`) at the end means a folder. */
  readonly destination: string;
  /** Whether the contents of a source folder go into the destination, rather than the folder itself. */
  readonly contentsOnly: boolean;
  /** Who owns what is copied, and the folders made for it; undefined keeps the source's owners, and made folders are root's. */
  readonly owner: Ids | undefined;
  readonly mode: ModeChange | undefined;
  /** Permission bits of folders that are made on the way. */
  readonly parentMode: number;
  /** Which paths below a source folder are copied. */
  readonly filter: PathFilter | undefined;
  /** Modification time of folders that are made on the way, seconds since 1970. */
  readonly now: number;
  readonly signal: AbortSignal;
}

/**
 * Copies one source into the working tree, as BuildKit's copier (fsutil) does: a folder merges into the folder that is there
 * and gives its attributes to all but the uppermost one; anything else replaces what is not a folder; a folder and
 * something else never replace each other. Sockets are left out.
 */
export function copySource(from: FileTree, source: CopySource, to: WorkingTree, options: CopyOptions): void {
  const copier: Copier = { from, to, options, links: new Map(), waiting: [] };
  const entry = from.lstat(source.path);
  if (entry === undefined) throw new Error(`internal: ${source.path} was selected and is gone`);

  const destination = resolveInRoot(to, `/${cleanComponents(options.destination).join('/')}`);
  const isNew = to.lstat(destination) === undefined;
  makeFolders(to, resolveInRoot(to, destinationFolder(options.destination)), options);
  const isFolder = to.lstat(destination)?.type === 'dir';
  const goesInside = isFolder && (entry.type !== 'dir' || !options.contentsOnly);
  const target = goesInside ? join(destination, source.name) : destination;
  // A symlink may lead to where no folder is.
  if (target !== '/') makeFolders(to, (target.slice(0, target.lastIndexOf('/')) || '/') as BytePath, options);

  const item = { path: source.path, entry, relative: '' as BytePath, target };
  if (entry.type === 'dir' && options.contentsOnly) copyContents(copier, item, isNew ? 'new' : 'existing');
  else copyEntry(copier, item);
}

interface Copier {
  readonly from: FileTree;
  readonly to: WorkingTree;
  readonly options: CopyOptions;
  /** What the names of one inode were copied to. */
  readonly links: Map<string, LayerFile>;
  /** Folders above the present one that are made only once something below them is copied, uppermost first. */
  readonly waiting: Item[];
}

interface Item {
  readonly path: BytePath;
  readonly entry: FileEntry;
  /** Below the source. */
  readonly relative: BytePath;
  readonly target: BytePath;
  /** Of what can be looked at again at no cost: its name, by itself, and its number in the working tree. */
  readonly numbered?: { readonly name: BytePath; readonly number: number };
}

/**
 * The destination of a folder's contents keeps its attributes where it exists, and takes none of the source's but the time where it
 * is made.
 */
function copyContents(copier: Copier, folder: Item, destination: 'new' | 'existing'): void {
  const { to, options } = copier;
  const existing = to.lstat(folder.target);
  if (existing !== undefined && existing.type !== 'dir') throw cannotCopyOver(folder.target, existing, 'a folder');
  if (destination === 'new') {
    makeFolders(to, folder.target, options);
    to.putFolder(folder.target, { ...(to.lstat(folder.target) as FileEntry), mtime: folder.entry.mtime });
  }
  copyChildren(copier, folder);
}

function copyChildren(copier: Copier, folder: Item): void {
  const { from, to, options } = copier;
  options.signal.throwIfAborted();
  const seen = from.folderState?.(folder.path);
  const first = seen === undefined ? undefined : to.addSource(filesAnew(from, { folder: folder.path, seen }, options));
  // Where nothing is in the way, most files need not be looked at one by one.
  const empty = options.filter === undefined ? to.emptyFolder(folder.target) : undefined;
  const isListed = (index: number) => empty !== undefined && isSingleFileAt(seen, index);
  if (empty !== undefined && seen !== undefined && first !== undefined)
    to.layer.putListed(empty, { names: seen.names, first, includes: isListed });
  for (const [index, name] of (seen?.names ?? from.readdir(folder.path)).entries()) {
    if (isListed(index)) continue;
    const path = join(folder.path, name);
    const relative = (folder.relative === '' ? name : `${folder.relative}/${name}`) as BytePath;
    const verdict = options.filter?.(relative) ?? 'copy';
    if (verdict === 'skip') continue;
    const entry = from.lstat(path);
    if (entry === undefined) continue;
    const numbered = first === undefined ? {} : { numbered: { name, number: first + index } };
    const item = { path, entry, relative, target: join(folder.target, name), ...numbered };
    if (verdict === 'copy') copyEntry(copier, item);
    else if (entry.type === 'dir') lookBelow(copier, item);
  }
}

function isSingleFileAt(seen: FolderState | undefined, index: number): boolean {
  return seen !== undefined && typeAt(seen.stamps, index) === 'file' && !isSharedAt(seen.stamps, index);
}

/** A folder that is not asked for itself, but may have something in it that is. */
function lookBelow(copier: Copier, item: Item): void {
  copier.waiting.push(item);
  copyChildren(copier, item);
  if (copier.waiting.at(-1) === item) copier.waiting.pop();
}

function copyEntry(copier: Copier, item: Item): void {
  const { to, options } = copier;
  const { entry, target } = item;
  if (entry.type === 'socket') return;
  makeWaitingFolders(copier);
  const existing = to.lstat(target);
  if (entry.type === 'dir') {
    if (existing !== undefined && existing.type !== 'dir') throw cannotCopyOver(target, existing, 'a folder');
    to.putFolder(target, withInherited(copiedAttributes(entry, options), existing));
    copyChildren(copier, item);
    return;
  }
  if (existing?.type === 'dir') throw cannotCopyOver(target, existing, `a ${nameOfType(entry.type)}`);
  const isRegular = entry.type === 'file' && entry.link === undefined;
  if (isRegular && item.numbered !== undefined) to.putNumbered(target, item.numbered.name, item.numbered.number);
  else if (entry.link === undefined) to.put(target, copiedFile(copier.from, item, options));
  else to.putShared(target, copiedLink(copier, item, entry.link));
}

/** Regular files of one folder as they are copied. */
function filesAnew(
  from: FileTree,
  { folder, seen }: { readonly folder: BytePath; readonly seen: FolderState },
  { owner, mode }: CopiedAttributes,
): FileSource {
  return {
    count: seen.names.length,
    file: (index) => {
      const path = join(folder, seen.names[index] as BytePath);
      return copiedFile(from, { path, entry: seen.entryAt(index) }, { owner, mode });
    },
  };
}

function makeWaitingFolders(copier: Copier): void {
  const { to, options, waiting } = copier;
  for (const { entry, target } of waiting.splice(0)) {
    const existing = to.lstat(target);
    if (existing === undefined) to.putFolder(target, copiedAttributes(entry, options));
    else if (existing.type !== 'dir') throw cannotCopyOver(target, existing, 'a folder');
    else if (existing.mode !== entry.mode) to.putFolder(target, { ...existing, mode: entry.mode });
  }
}

type CopiedAttributes = Pick<CopyOptions, 'owner' | 'mode'>;

function copiedFile(
  from: FileTree,
  { path, entry }: Pick<Item, 'path' | 'entry'>,
  attributes: CopiedAttributes,
): LayerFile {
  const file = copiedAttributes(entry, attributes);
  return entry.type === 'file' ? { file, content: treeContent(from, path, entry) } : { file };
}

function copiedLink({ from, links, options }: Copier, item: Item, link: string): LayerFile {
  const known = links.get(link);
  if (known !== undefined) return known;
  const file = copiedFile(from, item, options);
  links.set(link, file);
  return file;
}

/** Written out member by member, because this runs once a file and what the source's store knows of an inode stays behind. */
function copiedAttributes(entry: FileEntry, { owner, mode }: CopiedAttributes): FileEntry {
  const { type, size, mtime, target, device, xattrs } = entry;
  const isForeign = entry.host !== undefined || entry.link !== undefined || xattrs?.size === 0;
  if (owner === undefined && mode === undefined && !isForeign) return entry;
  const isChanged = mode !== undefined && type !== 'symlink';
  return {
    type,
    mode: isChanged ? mode(entry.mode, type === 'dir' ? 'folder' : 'other') : entry.mode,
    uid: owner?.uid ?? entry.uid,
    gid: owner?.gid ?? entry.gid,
    size,
    mtime,
    ...(target === undefined ? undefined : { target }),
    ...(device === undefined ? undefined : { device }),
    ...(xattrs === undefined || xattrs.size === 0 ? undefined : { xattrs }),
  };
}

/** A folder that exists keeps the extended attributes that the source's does not have. */
function withInherited(file: FileEntry, existing: FileEntry | undefined): FileEntry {
  if (existing?.xattrs === undefined) return file;
  return { ...file, xattrs: new Map([...existing.xattrs, ...(file.xattrs ?? [])]) };
}

/** The folder that has to be there before anything is copied: the destination itself where it ends as one. */
function destinationFolder(destination: string): string {
  const components = cleanComponents(destination);
  const endsAsFolder = /\/\.?$/.test(destination);
  return `/${(endsAsFolder ? components : components.slice(0, -1)).join('/')}`;
}

function join(folder: BytePath, name: BytePath): BytePath {
  return (folder === '/' ? `/${name}` : `${folder}/${name}`) as BytePath;
}

function cannotCopyOver(target: BytePath, existing: FileEntry, what: string): SlipwayError {
  return cannotWrite(target, `cannot copy ${what} over a ${nameOfType(existing.type)}`);
}
