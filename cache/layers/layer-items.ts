import { hash } from 'node:crypto';
import { type BytePath, displayPath } from '../../src/core/byte-path.ts';
import { SlipwayError } from '../../src/core/errors.ts';
import type { FileEntry } from '../../src/core/file-tree.ts';
import type { TarEntry } from '../tar/tar-entry.ts';
import type { TarContent, TarItem } from '../tar/tar-writer.ts';
import { type HostFile, openHostContent } from './host-content.ts';
import { sortKey } from './layer-path.ts';
import type { TreeContent, TreeEntry } from './layer-store.ts';
import { isLayerXattr } from './overlay-format.ts';
import { OPAQUE_NAME, WHITEOUT_PREFIX } from './whiteout-names.ts';

/** An item of a layer's archive. */
export interface LayerItem extends TarItem {
  /** Of a file whose bytes' SHA-256 (64 hex digits) is known without reading it; `file` where others could write to it meanwhile. */
  readonly known?: { readonly digest: string; readonly file?: HostFile };
}

type Present = Extract<TreeEntry['change'], { kind: 'present' }>;

/**
 * The entries of a layer as the items of its archive (OCI image spec, layer.md), in the one order that a layer has whatever form
 * it is made from: parents before children, in each folder the whiteouts first, then names by their bytes. Of several names of one
 * inode the first in this order has the bytes. mtimes above `epoch` (seconds) become `epoch`.
 */
export function* layerItems(entries: readonly TreeEntry[], epoch: number | undefined): Generator<LayerItem, void> {
  const leaders = linkLeaders(entries);
  const firstNames = new Map<BytePath, BytePath>();
  for (const entry of inArchiveOrder(entries)) {
    const { path, change } = entry;
    if (change.kind === 'removed') {
      yield markerItem(whiteoutPath(path));
      continue;
    }
    checkName(path);
    const leader = leaders?.get(path);
    const first = leader === undefined ? undefined : firstNames.get(leader.path);
    if (leader !== undefined && first === undefined) firstNames.set(leader.path, path);
    yield presentItem(path, leader?.change ?? change, { linkTo: first, epoch });
    if (change.opaque === true) yield markerItem(`${path}/${OPAQUE_NAME}` as BytePath);
  }
}

/** The entries that a layer's archive has, in its order: the root and sockets are none. */
export function inArchiveOrder(entries: readonly TreeEntry[]): TreeEntry[] {
  const present = entries.filter(
    ({ path, change }) => path !== '/' && !(change.kind === 'present' && change.file.type === 'socket'),
  );
  // Most layers without whiteouts are in order, and keys for all of a million entries would take more memory than these.
  if (isInOrder(present)) return present;
  return present
    .map((entry) => ({ key: keyOf(entry), entry }))
    .sort((a, b) => (a.key < b.key ? -1 : 1))
    .map(({ entry }) => entry);
}

function isInOrder(entries: readonly TreeEntry[]): boolean {
  let last = '';
  for (const entry of entries) {
    const key = keyOf(entry);
    if (key < last) return false;
    last = key;
  }
  return true;
}

function keyOf({ path, change }: TreeEntry): string {
  const key = sortKey(path);
  if (change.kind !== 'removed') return key;
  // A component that sorts before every name: a reader then removes before it adds (layer.md, "Opaque Whiteout").
  const end = key.lastIndexOf('\0');
  return `${key.slice(0, end)}\0\0${key.slice(end + 1)}`;
}

/** For every path that shares an inode with another: the entry that says what the inode is. Undefined where no path does. */
function linkLeaders(entries: readonly TreeEntry[]): Map<BytePath, { path: BytePath; change: Present }> | undefined {
  if (!entries.some(({ change }) => change.kind === 'present' && change.hardLinkTo !== undefined)) return undefined;
  const leaders = new Map<BytePath, { path: BytePath; change: Present }>();
  const byPath = new Map(entries.map((entry) => [entry.path, entry]));
  for (const { path, change } of entries) {
    if (change.kind !== 'present' || change.hardLinkTo === undefined) continue;
    const target = byPath.get(change.hardLinkTo);
    const leader =
      leaders.get(change.hardLinkTo) ??
      (target?.change.kind === 'present' ? { path: target.path, change: target.change } : undefined);
    if (leader === undefined)
      throw new Error(`internal: ${path} is a hard link to ${change.hardLinkTo}, which is not in its tree`);
    leaders.set(leader.path, leader);
    leaders.set(path, leader);
  }
  return leaders;
}

function presentItem(
  path: BytePath,
  { file, content }: Present,
  { linkTo, epoch }: { readonly linkTo: BytePath | undefined; readonly epoch: number | undefined },
): LayerItem {
  const mtime = epoch === undefined ? file.mtime : Math.min(file.mtime, epoch);
  const { mode, uid, gid } = file;
  // A link's entry says all of this again, because who unpacks it sets it again.
  const common = { path: path.slice(1) as BytePath, mode, uid, gid, mtime, ...xattrsOf(file) };
  if (linkTo !== undefined)
    return { entry: { ...common, type: 'hardlink', size: 0, target: linkTo.slice(1) as BytePath } };
  const entry: TarEntry = {
    ...common,
    type: file.type === 'socket' ? 'file' : file.type,
    size: file.type === 'file' ? file.size : 0,
    ...(file.target === undefined ? {} : { target: file.target }),
    ...(file.device === undefined ? {} : { device: file.device }),
  };
  return entry.size === 0 ? { entry } : { entry, ...contentItem(path, file, content) };
}

function xattrsOf({ xattrs }: FileEntry): { xattrs?: ReadonlyMap<string, string> } {
  if (xattrs === undefined || xattrs.size === 0) return {};
  return { xattrs: new Map([...xattrs].filter(([name]) => isLayerXattr(name))) };
}

function contentItem(path: BytePath, { size }: FileEntry, content: TreeContent | undefined): Omit<LayerItem, 'entry'> {
  if (content === undefined) throw new Error(`internal: ${path} has a size but no content`);
  if (content.kind === 'bytes') {
    const { bytes } = content;
    return { open: () => bytesContent(bytes), known: { digest: hash('sha256', bytes, 'hex') } };
  }
  const file = { path: content.path, size, mtimeMs: content.mtimeMs, inode: content.inode };
  const open = () => openHostContent(file);
  const digest = content.inode?.digest;
  return digest === undefined ? { open } : { open, known: { digest, file } };
}

function bytesContent(all: Uint8Array): TarContent {
  let done = 0;
  return {
    read(into) {
      const bytes = all.subarray(done, done + into.length);
      into.set(bytes);
      done += bytes.length;
      return bytes.length;
    },
    [Symbol.dispose]: () => {},
  };
}

/** A whiteout says nothing but its name, so that it is the same whoever makes it. */
function markerItem(path: BytePath): TarItem {
  return { entry: { path: path.slice(1) as BytePath, type: 'file', mode: 0, uid: 0, gid: 0, size: 0, mtime: 0 } };
}

function whiteoutPath(path: BytePath): BytePath {
  const end = path.lastIndexOf('/') + 1;
  return `${path.slice(0, end)}${WHITEOUT_PREFIX}${path.slice(end)}` as BytePath;
}

function checkName(path: BytePath): void {
  if (!path.startsWith(WHITEOUT_PREFIX, path.lastIndexOf('/') + 1)) return;
  throw new SlipwayError(
    'SLIPWAY_LAYER_NAME_RESERVED',
    `a layer cannot have the file ${displayPath(path)}: names that start with "${WHITEOUT_PREFIX}" mean removed files in an image`,
    { hint: 'give the file another name' },
  );
}
