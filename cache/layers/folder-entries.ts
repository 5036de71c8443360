import { readdirSync, readlinkSync, statfsSync } from 'node:fs';
import { type BytePath, bytePathOf, hostPath } from '../../src/core/byte-path.ts';
import type { FileEntry } from '../../src/core/file-tree.ts';
import type { HostStat } from '../../src/core/host-stat.ts';
import { hostStatReader } from '../../src/core/host-stat-reader.ts';
import { DEVICE_XATTR, isRemoval, parsePlaceholder } from '../../src/core/layer-marks.ts';
import { syscalls } from '../../src/core/syscalls.ts';
import type { LayerFolder } from './layer-folder.ts';
import type { TreeEntry } from './layer-store.ts';
import { isLayerXattr, isWhiteout, type OverlayXattrPrefix } from './overlay-format.ts';

/** A file of a layer's folder: its entry, or that it stands for "removed". */
export type FolderFile = { readonly kind: 'removed' } | { readonly kind: 'present'; readonly entry: FileEntry };

/** OVERLAYFS_SUPER_MAGIC of linux/magic.h. */
const OVERLAYFS_MAGIC = 0x794c7630;

/**
 * Reads one layer's folder. Paths are absolute in it, and all their folders must be known to be folders of this layer: the
 * kernel resolves them.
 */
export class FolderReader {
  readonly path: string;
  readonly #traits: LayerFolder['traits'];
  readonly #prefix: () => OverlayXattrPrefix;
  readonly #stat = hostStatReader();
  #onOverlay: boolean | undefined;

  constructor(folder: LayerFolder, prefix: () => OverlayXattrPrefix) {
    this.path = folder.path;
    this.#traits = folder.traits;
    this.#prefix = prefix;
  }

  lstat(path: BytePath): FolderFile | undefined {
    const host = this.hostPathOf(path);
    const stat = this.#stat(host);
    if (stat === undefined) return undefined;
    if (isWhiteout(stat)) return { kind: 'removed' };
    const entry = this.#entryOf(host, stat);
    if (isRemovalEntry(entry)) return { kind: 'removed' };
    return { kind: 'present', entry };
  }

  /** Names in a folder, sorted by bytes, with whether each may be a whiteout. */
  readdir(path: BytePath): { readonly name: BytePath; readonly isDevice: boolean }[] {
    return readdirSync(hostPath(this.hostPathOf(path)), { withFileTypes: true, encoding: 'latin1' })
      .map((item) => ({
        name: item.name as BytePath,
        isDevice: item.isCharacterDevice() || (item.isFile() && this.#mayRemoveByFiles()),
      }))
      .sort((a, b) => (a.name < b.name ? -1 : 1));
  }

  /** Whether a folder hides what the layers below have in it. */
  isOpaque(path: BytePath): boolean {
    if (this.#traits?.opaque === false) return false;
    return this.#xattrsOf(this.hostPathOf(path)).get(`${this.#prefix()}opaque`)?.toString('latin1') === 'y';
  }

  hostPathOf(path: BytePath): BytePath {
    return `${this.path}${path}` as BytePath;
  }

  #entryOf(host: BytePath, stat: HostStat): FileEntry {
    const { type, mode, uid, gid, mtime, device, sharedInode } = stat;
    const entry = {
      type,
      mode,
      uid,
      gid,
      size: type === 'file' ? stat.size : 0,
      mtime,
      ...(type === 'symlink' ? { target: bytePathOf(readlinkSync(hostPath(host), 'buffer')) } : {}),
      ...(type === 'char' || type === 'block' ? { device } : {}),
      ...(sharedInode === undefined ? {} : { link: `${this.path}:${sharedInode}` }),
      ...(type === 'file' ? { host: stat } : {}),
    };
    if (this.#traits?.xattrs !== false || this.#traits.placeholders) return this.#withXattrs(host, entry);
    return entry;
  }

  /** Xattrs are read when they are first asked for, because that costs more than all else and few ask. */
  #withXattrs(host: BytePath, entry: FileEntry): FileEntry {
    if (entry.type === 'file' && entry.size === 0 && this.#mayHavePlaceholders()) {
      const standsFor = syscalls().listXattrs(host).get(DEVICE_XATTR);
      if (standsFor !== undefined) return placeholderEntry(entry, standsFor);
    }
    const read = () => this.#xattrsOf(host);
    let xattrs: ReadonlyMap<string, string> | undefined;
    return {
      ...entry,
      get xattrs() {
        xattrs ??= layerXattrs(read());
        return xattrs;
      },
    };
  }

  #xattrsOf(host: BytePath): Map<string, Buffer> {
    const xattrs = syscalls().listXattrs(host);
    for (const feature of ['redirect', 'metacopy']) {
      if (!xattrs.has(`${this.#prefix()}${feature}`)) continue;
      throw new Error(
        `internal: ${host} was written by an overlay with ${feature}, and is not complete without the layers below`,
      );
    }
    return xattrs;
  }

  #mayHavePlaceholders(): boolean {
    return this.#traits?.placeholders ?? this.#prefix() === 'user.overlay.';
  }

  /** Device 0:0 can be made everywhere but on overlayfs itself, where a builder's container has its files. */
  #mayRemoveByFiles(): boolean {
    this.#onOverlay ??= this.#mayHavePlaceholders() && statfsSync(this.path).type === OVERLAYFS_MAGIC;
    return this.#onOverlay;
  }
}

/** The entries of a layer's folder, read while they are iterated over, in the order of the layer's archive. Sockets are left out. */
export function* folderEntries(folder: LayerFolder, prefix: () => OverlayXattrPrefix): Generator<TreeEntry, void> {
  const reader = new FolderReader(folder, prefix);
  const firstNames = new Map<string, BytePath>();
  const enter = (path: BytePath | '') => ({ path, files: filesInOrder(reader, path) });
  const pending = [enter('')];
  for (let last = pending.at(-1); last !== undefined; last = pending.at(-1)) {
    const next = last.files.next();
    if (next.done) {
      pending.pop();
      continue;
    }
    const { path, file } = next.value;
    if (file.kind === 'removed') yield { path, change: file };
    else if (file.entry.type !== 'socket') {
      yield { path, change: presentChange(reader, path, file.entry, firstNames) };
      if (file.entry.type === 'dir') pending.push(enter(path));
    }
  }
}

interface PlacedFile {
  readonly path: BytePath;
  readonly file: FolderFile;
}

/** What a layer has in a folder: first what is removed, then the names by their bytes. */
function* filesInOrder(reader: FolderReader, folder: BytePath | ''): Generator<PlacedFile, void> {
  const names = reader.readdir((folder === '' ? '/' : folder) as BytePath);
  const look = (name: BytePath): PlacedFile => {
    const path = `${folder}/${name}` as BytePath;
    const file = reader.lstat(path);
    if (file === undefined) throw new Error(`internal: ${path} vanished from the layer ${reader.path}`);
    return { path, file };
  };
  const removed = new Set<BytePath>();
  for (const { name, isDevice } of names) {
    const found = isDevice ? look(name) : undefined;
    if (found?.file.kind !== 'removed') continue;
    removed.add(name);
    yield found;
  }
  for (const { name } of names) if (!removed.has(name)) yield look(name);
}

function presentChange(
  reader: FolderReader,
  path: BytePath,
  file: FileEntry,
  firstNames: Map<string, BytePath>,
): TreeEntry['change'] {
  if (file.type === 'dir')
    return reader.isOpaque(path) ? { kind: 'present', file, opaque: true } : { kind: 'present', file };
  const hardLinkTo = file.link === undefined ? undefined : firstNames.get(file.link);
  if (hardLinkTo !== undefined) return { kind: 'present', file, hardLinkTo };
  if (file.link !== undefined) firstNames.set(file.link, path);
  if (file.type !== 'file') return { kind: 'present', file };
  const mtimeMs = file.host?.mtimeMs ?? 0;
  return { kind: 'present', file, content: { kind: 'host', path: reader.hostPathOf(path), mtimeMs } };
}

function layerXattrs(all: ReadonlyMap<string, Buffer>): Map<string, string> {
  const kept = new Map<string, string>();
  for (const [name, value] of all) if (isLayerXattr(name)) kept.set(name, value.toString('latin1'));
  return kept;
}

/** The device node that an empty file with `DEVICE_XATTR` stands for. */
function placeholderEntry(file: FileEntry, standsFor: Uint8Array): FileEntry {
  const node = parsePlaceholder(standsFor);
  if (node === undefined) return file;
  const { host: _host, ...attributes } = file;
  return { ...attributes, type: node.type, device: { major: node.major, minor: node.minor } };
}

function isRemovalEntry({ type, device }: FileEntry): boolean {
  return (type === 'char' || type === 'block') && device !== undefined && isRemoval({ type, ...device });
}
