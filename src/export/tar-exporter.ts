import type { LayerStore } from '../../cache/layers/layer-store.ts';
import type { TarEntry } from '../../cache/tar/tar-entry.ts';
import { type TarItem, writeTar } from '../../cache/tar/tar-writer.ts';
import type { BytePath } from '../core/byte-path.ts';
import { type Destination, writeTo } from './destination.ts';
import type { FilesExporter } from './exporter.ts';
import { type FilesForm, type PlatformFiles, withPlatformFiles } from './files-output.ts';
import { treeContent, type VisitedFile, walkTree } from './tree-walk.ts';

const CHUNK_BYTES = 1024 * 1024;

export interface TarExporterOptions {
  readonly form: FilesForm;
  readonly destination: Destination;
  readonly layers: LayerStore;
}

/** `type=tar`: the files of the result as one tar, with their owners, modes, times and xattrs. */
export function tarExporter({ form, destination, layers }: TarExporterOptions): FilesExporter {
  return {
    kind: 'files',
    name: 'exporting to client tarball',
    export: (results, { signal, epoch }) =>
      withPlatformFiles(results, { form, layers, signal }, async (files) => {
        const buffer = Buffer.allocUnsafe(CHUNK_BYTES);
        await writeTo(destination, writeTar(itemsOf(files, form.epoch ?? epoch), { allocate: () => buffer }), signal);
        return { written: destination.kind === 'file' ? destination.path : 'standard output' };
      }),
  };
}

function* itemsOf(files: readonly PlatformFiles[], epoch: number | undefined): Generator<TarItem> {
  for (const { folder, tree } of files) {
    const prefix = folder === undefined ? '' : `${folder}/`;
    if (folder !== undefined)
      yield { entry: { path: folder, type: 'dir', mode: 0o755, uid: 0, gid: 0, size: 0, mtime: epoch ?? 0 } };
    for (const file of walkTree(tree)) {
      const entry = tarEntryOf(file, prefix, epoch);
      yield entry.size === 0 ? { entry } : { entry, open: () => treeContent(tree, file.path, entry.size) };
    }
  }
}

function tarEntryOf({ path, entry, firstLink }: VisitedFile, prefix: string, epoch: number | undefined): TarEntry {
  const { type, mode, uid, gid, size, mtime, target, device, xattrs } = entry;
  if (type === 'socket') throw new Error('internal: a socket was visited');
  const place = (tree: BytePath) => `${prefix}${tree.slice(1)}` as BytePath;
  const attributes = { mode, uid, gid, mtime: epoch ?? mtime, ...(xattrs === undefined ? {} : { xattrs }) };
  const common = { path: place(path), ...attributes };
  if (firstLink !== undefined) return { ...common, type: 'hardlink', size: 0, target: place(firstLink) };
  return {
    ...common,
    type,
    size: type === 'file' ? size : 0,
    ...(target === undefined ? {} : { target }),
    ...(device === undefined ? {} : { device }),
  };
}
