import { closeSync } from 'node:fs';
import type { LayerStore } from '../../cache/layers/layer-store.ts';
import { type BytePath, displayPath } from '../core/byte-path.ts';
import { errnoOf, SlipwayError } from '../core/errors.ts';
import type { FilesExporter } from './exporter.ts';
import { type FilesForm, type PlatformFiles, withPlatformFiles } from './files-output.ts';
import { withFullDestination } from './full-destination.ts';
import { type Attributes, RootedFolder } from './rooted-folder.ts';
import { openTreeFile, type VisitedFile, walkTree } from './tree-walk.ts';

export interface LocalExporterOptions {
  readonly form: FilesForm;
  /** The folder that receives the files. */
  readonly folder: string;
  /** `delete` removes what is in the folder and not in the result. */
  readonly mode: 'copy' | 'delete';
  readonly layers: LayerStore;
}

/**
 * `type=local`: the files of the result in a folder, owned by the user who runs slipway, with their modes and times. What is in the
 * folder already is merged with; nothing is written outside it, whatever symlinks it holds.
 */
export function localExporter({ form, folder, mode, layers }: LocalExporterOptions): FilesExporter {
  return {
    kind: 'files',
    name: 'exporting to client directory',
    export: (results, { signal, epoch }) =>
      withPlatformFiles(results, { form, layers, signal }, async (files) => {
        const dated = epoch === undefined ? form : { epoch, ...form };
        try {
          using root = RootedFolder.open(folder);
          const written = mode === 'delete' ? new Set<string>() : undefined;
          for (const one of files) await writeFiles(root, one, { form: dated, signal, written });
          if (written !== undefined) removeOthers(root, '', written);
        } catch (error) {
          throw withFullDestination(error, folder, folder);
        }
        return { written: folder };
      }),
  };
}

interface WriteOptions {
  readonly form: FilesForm;
  readonly signal: AbortSignal;
  /** Gathers the paths that the output has now, where somebody asks for them. */
  readonly written: Set<string> | undefined;
}

/** An open folder of the output on the way down to the file that is written. */
interface Level {
  readonly path: string;
  readonly folder: RootedFolder;
  readonly attributes: Attributes;
}

const FILES_BETWEEN_BREATHS = 256;

async function writeFiles(root: RootedFolder, files: PlatformFiles, options: WriteOptions): Promise<void> {
  const { form, signal, written } = options;
  const prefix = files.folder === undefined ? '' : `/${files.folder}`;
  const top = files.folder === undefined ? undefined : root.folder(files.folder);
  const levels: Level[] = [];
  if (files.folder !== undefined) written?.add(prefix);
  try {
    let count = 0;
    for (const file of walkTree(files.tree)) {
      leaveLevels(levels, parentOf(file.path));
      const parent = levels.at(-1)?.folder ?? top ?? root;
      written?.add(`${prefix}${file.path}`);
      const attributes = attributesOf(file, form.epoch);
      if (file.entry.type === 'dir') levels.push({ path: file.path, folder: parent.folder(file.name), attributes });
      else writeOne(parent, top ?? root, file, { files, attributes });
      if (++count % FILES_BETWEEN_BREATHS !== 0) continue;
      await new Promise((resume) => setImmediate(resume));
      signal.throwIfAborted();
    }
    leaveLevels(levels, undefined);
    top?.finish({ mode: 0o755, mtime: form.epoch ?? 0 });
  } finally {
    for (const level of levels) level.folder[Symbol.dispose]();
    top?.[Symbol.dispose]();
  }
}

/** Finishes the folders that `path` is not in; all of them for undefined. */
function leaveLevels(levels: Level[], path: string | undefined): void {
  for (let level = levels.at(-1); level !== undefined && level.path !== path; level = levels.at(-1)) {
    level.folder.finish(level.attributes);
    level.folder[Symbol.dispose]();
    levels.pop();
  }
}

function writeOne(
  parent: RootedFolder,
  root: RootedFolder,
  { path, name, entry, firstLink }: VisitedFile,
  { files, attributes }: { readonly files: PlatformFiles; readonly attributes: Attributes },
): void {
  if (firstLink !== undefined) {
    using opened = openBelow(root, parentOf(firstLink));
    parent.hardLink(name, opened.folder, firstLink.slice(firstLink.lastIndexOf('/') + 1) as BytePath);
    return;
  }
  switch (entry.type) {
    case 'file': {
      const source = openTreeFile(files.tree, path, entry.size);
      try {
        parent.file(name, source, attributes);
      } finally {
        closeSync(source);
      }
      break;
    }
    case 'symlink':
      parent.symlink(name, entry.target ?? ('' as BytePath), attributes);
      break;
    case 'char':
    case 'block':
    case 'fifo':
      makeSpecial(parent, { path, name, entry }, attributes);
      break;
    case 'dir':
    case 'socket':
      throw new Error(`internal: a ${entry.type} was written as a file`);
    default:
      entry.type satisfies never;
  }
}

function makeSpecial(parent: RootedFolder, { path, name, entry }: VisitedFile, attributes: Attributes): void {
  const type = entry.type === 'char' || entry.type === 'block' ? entry.type : 'fifo';
  try {
    parent.special(name, type, { ...attributes, major: entry.device?.major ?? 0, minor: entry.device?.minor ?? 0 });
  } catch (error) {
    if (errnoOf(error) !== 'EPERM') throw error;
    throw new SlipwayError(
      'SLIPWAY_OUTPUT_DEVICE',
      `cannot make the device ${displayPath(path)} in the output folder: only root may`,
      { hint: 'export with type=tar, or remove the device in the Dockerfile', cause: error },
    );
  }
}

/** Opens a folder that this export made, name by name; the ones on the way are closed with it. */
function openBelow(root: RootedFolder, path: string): { readonly folder: RootedFolder } & Disposable {
  const opened = new DisposableStack();
  let folder = root;
  for (const name of path.split('/')) if (name !== '') folder = opened.use(folder.folder(name as BytePath));
  return { folder, [Symbol.dispose]: () => opened.dispose() };
}

function removeOthers(folder: RootedFolder, path: string, written: ReadonlySet<string>): void {
  for (const name of folder.names()) {
    const below = `${path}/${name}`;
    if (!written.has(below)) folder.remove(name);
    else if (folder.isFolder(name)) {
      using child = folder.folder(name);
      removeOthers(child, below, written);
    }
  }
}

function attributesOf({ entry }: VisitedFile, epoch: number | undefined): Attributes {
  const { mode, mtime, xattrs } = entry;
  return { mode, mtime: epoch ?? mtime, ...(xattrs === undefined ? {} : { xattrs }) };
}

function parentOf(path: string): string {
  return path.slice(0, path.lastIndexOf('/'));
}
