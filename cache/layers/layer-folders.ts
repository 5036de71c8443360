import { randomBytes } from 'node:crypto';
import { mkdirSync, renameSync, rmSync } from 'node:fs';
import { type DiffID, type Digest, digestOf } from '../../src/core/digest.ts';
import type { FileTree } from '../../src/core/file-tree.ts';
import { folderEntries } from './folder-entries.ts';
import { epochSuffixOf } from './layer-blobs.ts';
import { diffIdOfPulled, fetchPulled, type LayerContext, missingLayer } from './layer-context.ts';
import type { LayerFolder, LayerTraits } from './layer-folder.ts';
import type { LayerFolderOptions, WrittenFolder } from './layer-folder-writer.ts';
import type { LayerId, LayerStack } from './layer-store.ts';
import { StackView, type ViewSource } from './stack-view.ts';
import { folderSource, treeSource } from './view-sources.ts';

/**
 * The folder of every layer of the stack, lowest first; made where it is not there yet. `skip` names layers that need none. Lower
 * layers come first because a layer may have files in folders that it says nothing of, or hard links to files below it.
 */
export async function ensureFolders(
  context: LayerContext,
  stack: LayerStack,
  signal: AbortSignal,
  skip: (layer: LayerId) => boolean = () => false,
): Promise<(LayerFolder | undefined)[]> {
  await fetchMissing(context, stack, signal);
  const folders: (LayerFolder | undefined)[] = [];
  for (const [index, layer] of stack.entries()) {
    const below = stack.slice(0, index);
    folders.push(
      skip(layer) ? undefined : await ensureFolder(context, { layer, below, folders: [...folders] }, signal),
    );
  }
  return folders;
}

/** The view of layers that have their folders, or are trees of this process. `temporary`: a free path for bytes from memory. */
export function viewOf(
  context: LayerContext,
  stack: LayerStack,
  folders: readonly (LayerFolder | undefined)[],
  temporary: string,
): FileTree {
  const sources = stack.map((layer, index): ViewSource => {
    const folder = folders[index];
    if (folder !== undefined) return folderSource(folder, context.overlayPrefix);
    const tree = context.trees.get(layer);
    if (tree === undefined) throw new Error(`internal: the layer ${layer} has neither folder nor tree`);
    return treeSource(tree, `${temporary}-${index}`);
  });
  return new StackView(sources.reverse());
}

/** Moves a finished folder into layers/ under a short name, because overlayfs takes all its layers' names in one page, and registers it. */
export function registerFolder(
  context: LayerContext,
  layer: LayerId,
  finished: { readonly path: string; readonly traits: LayerTraits | undefined; readonly below: Digest | '' },
): LayerFolder {
  const name = randomBytes(5).toString('hex');
  const path = `${context.store.folder('layers')}/${name}`;
  renameSync(finished.path, path);
  const { traits, below } = finished;
  if (context.table.addFolder(layer, { folder: name, traits }, below)) return { path, traits };
  // Another process was faster with the same.
  rmSync(path, { recursive: true, force: true });
  return registeredFolder(context, layer, below === '' ? undefined : below) ?? missing(layer);
}

interface FolderRequest {
  readonly layer: LayerId;
  readonly below: LayerStack;
  /** Of the layers below. */
  readonly folders: readonly (LayerFolder | undefined)[];
}

function ensureFolder(context: LayerContext, request: FolderRequest, signal: AbortSignal): Promise<LayerFolder> {
  const { layer } = request;
  const below = digestOf(request.below.join(','));
  return context.once.run(`folder ${layer} ${below}`, signal, async () => {
    return registeredFolder(context, layer, below) ?? (await makeFolder(context, request, { below, signal }));
  });
}

function registeredFolder(context: LayerContext, layer: LayerId, below: Digest | undefined): LayerFolder | undefined {
  const row = context.table.folder(layer, below);
  return row === undefined
    ? undefined
    : { path: `${context.store.folder('layers')}/${row.folder}`, traits: row.traits };
}

async function makeFolder(
  context: LayerContext,
  request: FolderRequest,
  { below, signal }: { readonly below: Digest; readonly signal: AbortSignal },
): Promise<LayerFolder> {
  const root = context.store.temporaryPath();
  mkdirSync(root, { mode: 0o700 });
  try {
    const view = () => viewOf(context, request.below, request.folders, context.store.temporaryPath());
    const written = await writeFolder(context, request.layer, {
      options: { root, prefix: context.overlayPrefix(), below: view },
      signal,
    });
    return registerFolder(context, request.layer, {
      path: root,
      traits: written.traits,
      below: written.dependsOnBelow ? below : '',
    });
  } finally {
    // Nothing is there any more once it was registered.
    rmSync(root, { recursive: true, force: true });
  }
}

async function writeFolder(
  context: LayerContext,
  layer: LayerId,
  { options, signal }: { readonly options: LayerFolderOptions; readonly signal: AbortSignal },
): Promise<WrittenFolder> {
  const tree = context.trees.get(layer);
  if (tree !== undefined) return (await import('./write-tree.ts')).writeTree(tree, options, signal);
  const { unpackLayer } = await import('./unpack-layer.ts');
  const blob = presentBlob(context, layer) ?? missing(layer);
  const written = await unpackLayer(blob, options, signal);
  if (blob.isClamped) await restoreMtimes(context, layer, { path: options.root, traits: written.traits });
  return written;
}

/** A blob to unpack; of those made here one that has all mtimes, where there is one. */
function presentBlob(
  context: LayerContext,
  layer: LayerId,
): { readonly path: string; readonly diffId: DiffID; readonly isClamped: boolean } | undefined {
  const pulledAs = context.table.pulledAs(layer);
  if (pulledAs !== undefined) {
    const path = context.content.path(pulledAs.digest);
    return path === undefined ? undefined : { path, diffId: diffIdOfPulled(layer), isClamped: false };
  }
  const present = context.table.blobs(layer).flatMap((row) => {
    const path = context.content.path(row.descriptor.digest);
    return path === undefined ? [] : [{ path, diffId: row.diffId, isClamped: epochSuffixOf(row) !== '' }];
  });
  return present.find((blob) => !blob.isClamped) ?? present[0];
}

async function restoreMtimes(context: LayerContext, layer: LayerId, folder: LayerFolder): Promise<void> {
  const kept = context.table.mtimes(layer);
  if (kept === undefined) return;
  const { setMtimes } = await import('./kept-mtimes.ts');
  setMtimes(folder.path, folderEntries(folder, context.overlayPrefix), kept);
}

function missing(layer: LayerId): never {
  throw missingLayer(layer, 'it is in the store neither as a folder nor as a blob');
}

/** Fetches what has to be unpacked, all at once: the source bounds how many at a time. */
async function fetchMissing(context: LayerContext, stack: LayerStack, signal: AbortSignal): Promise<void> {
  const fetches = stack.flatMap((layer) => {
    const descriptor = context.table.pulledAs(layer);
    if (descriptor === undefined || context.table.folder(layer, undefined) !== undefined) return [];
    return [fetchPulled(context, layer, descriptor, signal)];
  });
  const results = await Promise.allSettled(fetches);
  for (const result of results) if (result.status === 'rejected') throw result.reason;
}
