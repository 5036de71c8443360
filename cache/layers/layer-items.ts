import { hash } from 'node:crypto';
import { type BytePath, displayPath } from '../../src/core/byte-path.ts';
import { SlipwayError } from '../../src/core/errors.ts';
import type { FileEntry } from '../../src/core/file-tree.ts';
import type { TarEntry } from '../tar/tar-entry.ts';
import type { TarContent, TarItem } from '../tar/tar-writer.ts';
import { type HostFile, openHostContent } from './host-content.ts';
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
 * The entries of a layer as the items of its archive (OCI image spec, layer.md), of which sockets are none. The entries come in the one
 * order that a layer has whatever form it is made from, and so no more than one of them has to be known at a time. mtimes above `epoch`
 * (seconds) become `epoch`.
 */
export function* layerItems(entries: Iterable<TreeEntry>, epoch: number | undefined): Generator<LayerItem, void> {
  for (const { path, change } of entries) {
    if (change.kind === 'removed') {
      yield markerItem(whiteoutPath(path));
      continue;
    }
    if (change.file.type === 'socket') continue;
    checkName(path);
    yield presentItem(path, change, epoch);
    if (change.opaque === true) yield markerItem(`${path}/${OPAQUE_NAME}` as BytePath);
  }
}

function presentItem(path: BytePath, { file, content, hardLinkTo }: Present, epoch: number | undefined): LayerItem {
  const mtime = epoch === undefined ? file.mtime : Math.min(file.mtime, epoch);
  const { mode, uid, gid } = file;
  // A link's entry says all of this again, because who unpacks it sets it again.
  const common = { path: path.slice(1) as BytePath, mode, uid, gid, mtime, ...xattrsOf(file) };
  if (hardLinkTo !== undefined)
    return { entry: { ...common, type: 'hardlink', size: 0, target: hardLinkTo.slice(1) as BytePath } };
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
