import { chmodSync, mkdirSync, rmSync } from 'node:fs';
import type { FileTree } from '../../src/core/file-tree.ts';
import type { ContentStore } from '../content/content-store.ts';
import type { Lease, Leases } from '../leases.ts';
import { USE_RESOLUTION } from '../records/sqlite-record-store.ts';
import type { Store } from '../store.ts';
import { ensureBlob } from './layer-blobs.ts';
import { fetchPulled, type LayerContext, lazyOverlayPrefix, newLayerId, pulledLayerId } from './layer-context.ts';
import { ensureFolders, registerFolder, viewOf } from './layer-folders.ts';
import type { ActiveLayer, LayerId, LayerStack, LayerStore, MountedStack, TreeEntry } from './layer-store.ts';
import { openLayerTable } from './layer-table.ts';
import { LayerTree, layerTreeOf } from './layer-tree.ts';
import { createOnce } from './once.ts';

/** When what a step leaves besides its layer is removed: while a later one runs, as a rule. */
const LEFTOVERS_MS = 100;

/** What a layer store is made on. The caller disposes them after it. */
export interface LayerStoreParts {
  readonly store: Store;
  readonly content: ContentStore;
  readonly leases: Leases;
}

/** Layers in the store's `layers` folder and database, their blobs in `content`. What reads and writes archives is loaded when needed. */
export function createLayerStore({ store, content, leases }: LayerStoreParts): LayerStore {
  const context: LayerContext = {
    store,
    content,
    table: openLayerTable(store.database),
    once: createOnce(),
    trees: new Map(),
    sources: new Map(),
    overlayPrefix: lazyOverlayPrefix(store),
  };
  const hold = (stack: LayerStack) => leases.hold([...new Set(stack)].map((layer) => `layer:${layer}` as const));
  return {
    overlayXattrPrefix: context.overlayPrefix,
    addTree(entries) {
      const layer = newLayerId();
      context.trees.set(layer, entries instanceof LayerTree ? entries : layerTreeOf(entries));
      return layer;
    },
    addBlob(descriptor, diffId, source) {
      const layer = pulledLayerId(diffId);
      context.sources.set(layer, source);
      // What was used a moment ago is safe from prune while its user lives; what was not has to be held before it is looked for.
      const createdAt = context.table.createdAt(layer);
      if (createdAt !== undefined && createdAt < Date.now() - USE_RESOLUTION) hold([layer]);
      context.table.add(layer, descriptor);
      return layer;
    },
    prepare: async () => prepareLayer(context),
    isDurable: (stack) => stack.every((layer) => isDurable(context, layer)),
    createdAt: (layer) => context.table.createdAt(layer),
    mount: (stack, signal) => mountStack(context, stack, { lease: hold(stack), signal }),
    view: (stack, signal) => openView(context, stack, { lease: hold(stack), signal }),
    entries: (layer, signal) => layerEntries(context, layer, signal),
    blob: (layer, compression, { epoch, signal }) =>
      ensureBlob(context, { layer, compression, epoch, signal }, () => layerEntries(context, layer, signal)),
    async ensureFetched(layer, signal) {
      const descriptor = context.table.pulledAs(layer);
      if (descriptor !== undefined) await fetchPulled(context, layer, descriptor, signal);
    },
  };
}

function isDurable(context: LayerContext, layer: LayerId): boolean {
  const { table, content } = context;
  const pulledAs = table.pulledAs(layer);
  // Its folder is not enough: an export needs the very blob.
  if (pulledAs !== undefined) return content.size(pulledAs.digest) === pulledAs.size || context.sources.has(layer);
  if (table.folder(layer, undefined) !== undefined) return true;
  return table.blobs(layer).some(({ descriptor }) => content.size(descriptor.digest) === descriptor.size);
}

function prepareLayer(context: LayerContext): ActiveLayer {
  const base = context.store.temporaryPath();
  const [upperDir, workDir] = [`${base}/upper`, `${base}/work`];
  mkdirSync(base, { mode: 0o700 });
  // The root of a container is this folder, so its mode is what a process sees on "/".
  mkdirSync(upperDir);
  chmodSync(upperDir, 0o755);
  mkdirSync(workDir, { mode: 0o700 });
  const remove = () => rmSync(base, { recursive: true, force: true });
  let isCommitted = false;
  return {
    upperDir,
    workDir,
    async commit() {
      const layer = newLayerId();
      registerFolder(context, layer, { path: upperDir, traits: undefined, below: '' });
      isCommitted = true;
      return layer;
    },
    async [Symbol.asyncDispose]() {
      // What a step leaves besides its layer is overlayfs's own few folders, which nobody has to wait for: they go with the store's at the latest.
      if (isCommitted) setTimeout(remove, LEFTOVERS_MS).unref();
      else remove();
    },
  };
}

interface Held {
  readonly lease: Lease;
  readonly signal: AbortSignal;
}

async function mountStack(context: LayerContext, stack: LayerStack, { lease, signal }: Held): Promise<MountedStack> {
  try {
    const folders = await ensureFolders(context, stack, signal);
    const hiding = folders.findLastIndex((folder) => folder?.traits?.opaqueRoot === true);
    const lowerDirs = folders
      .slice(Math.max(hiding, 0))
      .flatMap((folder) => (folder === undefined ? [] : [folder.path]));
    return { lowerDirs, [Symbol.dispose]: () => lease[Symbol.dispose]() };
  } catch (error) {
    lease[Symbol.dispose]();
    throw error;
  }
}

async function openView(
  context: LayerContext,
  stack: LayerStack,
  { lease, signal }: Held,
): Promise<FileTree & Disposable> {
  try {
    const folders = await ensureFolders(context, stack, signal, (layer) => context.trees.has(layer));
    const temporary = context.store.temporaryPath();
    const tree = viewOf(context, stack, folders, temporary);
    return {
      lstat: (path) => tree.lstat(path),
      readdir: (path) => tree.readdir(path),
      contentPath: (path) => tree.contentPath(path),
      // What was written out for the view stays until the store is closed: tree layers that copy from it refer to it.
      [Symbol.dispose]: () => lease[Symbol.dispose](),
    };
  } catch (error) {
    lease[Symbol.dispose]();
    throw error;
  }
}

async function layerEntries(context: LayerContext, layer: LayerId, signal: AbortSignal): Promise<Iterable<TreeEntry>> {
  const tree = context.trees.get(layer);
  if (tree !== undefined) return tree;
  const [folder] = await ensureFolders(context, [layer], signal);
  if (folder === undefined) throw new Error(`internal: the layer ${layer} has no folder`);
  const { folderEntries } = await import('./folder-entries.ts');
  return folderEntries(folder, context.overlayPrefix);
}
