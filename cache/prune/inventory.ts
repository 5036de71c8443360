import { lstatSync, readdirSync } from 'node:fs';
import { type Digest, isDigest } from '../../src/core/digest.ts';
import type { Store } from '../store.ts';
import { diskUsage } from './disk-usage.ts';
import { layerUses } from './layer-uses.ts';

/** Something in the store that prune may remove as a whole. */
export interface PruneItem {
  /** `blob`: one that is no layer's: manifests, configs, downloads. */
  readonly kind: 'layer' | 'blob' | 'mount' | 'git';
  /** Layer id, digest, or name of the folder. */
  readonly id: string;
  /** Milliseconds since 1970. */
  readonly lastUse: number;
  /** On the disk. */
  readonly bytes: number;
}

/** A layer's blobs that are files of the store, by the layer; and the same the other way round. */
export interface LayerBlobs {
  readonly byLayer: ReadonlyMap<string, readonly Digest[]>;
  readonly digests: ReadonlySet<Digest>;
}

/** All that the store has, but for the blobs in `kept`. Takes no lock: what it finds may change at once. */
export function takeInventory(store: Store, kept: ReadonlySet<Digest>): readonly PruneItem[] {
  const blobs = layerBlobs(store);
  return [...layerItems(store, blobs, kept), ...blobItems(store, blobs, kept), ...folderItems(store)];
}

/** Which blobs belong to layers, by the store's database. */
export function layerBlobs({ database }: Pick<Store, 'database'>): LayerBlobs {
  const byLayer = new Map<string, Digest[]>();
  const rows = database
    .statement(
      "SELECT layer, digest FROM layer_blobs UNION SELECT id, json_extract(descriptor, '$.digest') FROM layers WHERE descriptor IS NOT NULL",
    )
    .all();
  for (const { layer, digest } of rows) {
    if (!isDigest(digest)) continue;
    const known = byLayer.get(String(layer));
    if (known === undefined) byLayer.set(String(layer), [digest]);
    else known.push(digest);
  }
  return { byLayer, digests: new Set([...byLayer.values()].flat()) };
}

function layerItems(store: Store, { byLayer }: LayerBlobs, kept: ReadonlySet<Digest>): PruneItem[] {
  const folders = new Map<string, string[]>();
  for (const { layer, folder } of store.database.statement('SELECT layer, folder FROM layer_folders').all())
    folders.set(String(layer), [...(folders.get(String(layer)) ?? []), `${store.folder('layers')}/${folder}`]);
  return [...layerUses(store.database)].map(([id, lastUse]) => {
    const blobs = (byLayer.get(id) ?? [])
      .filter((digest) => !kept.has(digest))
      .map((digest) => blobPath(store, digest));
    const bytes = [...(folders.get(id) ?? []), ...blobs].reduce((sum, path) => sum + diskUsage(path), 0);
    return { kind: 'layer', id, lastUse, bytes };
  });
}

function blobItems(store: Store, { digests }: LayerBlobs, kept: ReadonlySet<Digest>): PruneItem[] {
  return readdirSync(store.folder('blobs/sha256')).flatMap((name): PruneItem[] => {
    const id = `sha256:${name}`;
    if (!isDigest(id) || digests.has(id) || kept.has(id)) return [];
    return itemOf('blob', id, blobPath(store, id));
  });
}

function folderItems(store: Store): PruneItem[] {
  const below = (kind: 'mount' | 'git', folder: string) =>
    readdirSync(folder, { withFileTypes: true })
      .filter((entry) => entry.isDirectory())
      .flatMap(({ name }) => itemOf(kind, name, `${folder}/${name}`));
  return [...below('mount', store.folder('mounts')), ...below('git', store.folder('git'))];
}

function itemOf(kind: PruneItem['kind'], id: string, path: string): PruneItem[] {
  const stat = lstatSync(path, { throwIfNoEntry: false });
  return stat === undefined ? [] : [{ kind, id, lastUse: stat.mtimeMs, bytes: diskUsage(path) }];
}

/** Where a blob lies, if it is there. */
export function blobPath(store: Store, digest: Digest): string {
  return `${store.folder('blobs/sha256')}/${digest.slice('sha256:'.length)}`;
}
