import { lstatSync, mkdirSync, writeFileSync } from 'node:fs';
import { type BytePath, displayPath, hostPath } from '../../src/core/byte-path.ts';
import { SlipwayError } from '../../src/core/errors.ts';
import type { FileEntry } from '../../src/core/file-tree.ts';
import { FolderReader } from './folder-entries.ts';
import type { LayerFolder } from './layer-folder.ts';
import type { TreeEntry } from './layer-store.ts';
import type { LayerTree } from './layer-tree.ts';
import type { OverlayXattrPrefix } from './overlay-format.ts';
import type { ViewSource } from './stack-view.ts';

/** A layer's folder as part of a view. */
export function folderSource(folder: LayerFolder, prefix: () => OverlayXattrPrefix): ViewSource {
  let reader: FolderReader | undefined;
  const open = () => {
    reader ??= new FolderReader(folder, prefix);
    return reader;
  };
  return {
    lstat: (path) => open().lstat(path),
    readdir: (path) => open().readdir(path),
    // Overlayfs cannot mark a layer's root as opaque, so it stands in the traits.
    isOpaque: (path) => (path === '/' ? folder.traits?.opaqueRoot === true : open().isOpaque(path)),
    contentPath: (path) => open().hostPathOf(path),
  };
}

type Present = Extract<TreeEntry['change'], { kind: 'present' }>;

/** A tree layer as part of a view. Bytes that lie in memory are written below `temporary`, a path that is free, when they are asked for. */
export function treeSource(tree: LayerTree, temporary: string): ViewSource {
  const written = new Map<BytePath, BytePath>();
  return {
    lstat(path) {
      const change = tree.change(path);
      if (change === undefined || change.kind === 'removed') return change;
      const entry = entryOf(change);
      // The temporary path is this layer's in this view alone, so that inodes of other layers have other names.
      return {
        kind: 'present',
        entry: entry.link === undefined ? entry : { ...entry, link: `${temporary}:${entry.link}` },
      };
    },
    readdir: (path) => tree.names(path).map(({ name, isRemoved }) => ({ name, isDevice: isRemoved })),
    isOpaque(path) {
      const change = tree.change(path);
      return change?.kind === 'present' && change.opaque === true;
    },
    contentPath(path) {
      const change = tree.change(path);
      if (change?.kind !== 'present') throw new Error(`internal: ${path} is not in its tree`);
      const { file, content } = change;
      if (content?.kind === 'host') {
        checkHostFile(content, file);
        return content.path;
      }
      const known = written.get(path);
      if (known !== undefined) return known;
      mkdirSync(temporary, { recursive: true, mode: 0o700 });
      const copy = `${temporary}/${written.size}` as BytePath;
      writeFileSync(hostPath(copy), content?.bytes ?? '', { mode: 0o600, flag: 'wx' });
      written.set(path, copy);
      return copy;
    },
  };
}

/** The entry, with the file's state on this machine where its bytes lie there. */
function entryOf({ file, content }: Present): FileEntry {
  if (file.type !== 'file' || content?.kind === 'host' || file.host === undefined) return file;
  const { host: _host, ...rest } = file;
  return rest;
}

function checkHostFile(content: { readonly path: BytePath; readonly mtimeMs: number }, file: FileEntry): void {
  const stats = lstatSync(hostPath(content.path), { throwIfNoEntry: false });
  if (stats?.isFile() && stats.size === file.size && stats.mtimeMs === content.mtimeMs) return;
  throw new SlipwayError(
    'SLIPWAY_CONTEXT_CHANGED',
    `${displayPath(content.path)} changed while the build was using it`,
    { hint: 'build again once nothing writes to the context' },
  );
}
