import { lstatSync, renameSync, rmSync } from 'node:fs';
import type { Digest } from '../../src/core/digest.ts';
import { errnoOf } from '../../src/core/errors.ts';
import type { ContentStore } from '../content/content-store.ts';
import type { Database } from '../database.ts';
import type { ImageStore } from '../images/image-store.ts';
import { referencedBlobs } from '../images/referenced-blobs.ts';
import type { Leases } from '../leases.ts';
import type { Store } from '../store.ts';
import { diskUsage } from './disk-usage.ts';
import { type Forgotten, forget, removeRecord } from './forget.ts';
import { blobPath, layerBlobs, type PruneItem, takeInventory } from './inventory.ts';
import { layerUses } from './layer-uses.ts';
import { currentProtection, type Protection } from './protection.ts';

/** What prune works on. */
export interface PruneParts {
  readonly store: Store;
  readonly content: ContentStore;
  readonly leases: Leases;
  readonly images: ImageStore;
}

export interface PruneOptions {
  /** Names of images go as well, and what only they need; not while another process builds. */
  readonly images: 'keep' | 'remove';
  /** Only what was not used since then, milliseconds since 1970. */
  readonly unusedSince: number;
  /** No more than is needed for the cache to take so many bytes, least recently used first. */
  readonly keepBytes?: number;
}

/** What was removed. */
export interface PruneReport {
  readonly bytes: number;
  readonly layers: number;
  readonly blobs: number;
  readonly records: number;
  readonly cacheMounts: number;
  readonly gitRepositories: number;
  readonly failedSteps: number;
  readonly images: number;
}

/**
 * Removes from a store what nothing needs: results, layers, blobs, cache mounts, repositories, failed steps. What a living process uses
 * stays, and the blobs of images that have a name. Any number of processes may build and prune at the same time; a build whose results
 * are gone makes them again.
 */
export function prune(parts: PruneParts, options: PruneOptions): PruneReport {
  const { store } = parts;
  const removedImages = options.images === 'remove' ? removeImages(parts, options) : 0;
  const chosen = choose(parts, options);
  const forgotten = store.database.transaction(() => forgetChosen(parts, chosen, options));
  const bytes =
    forgotten.folders.reduce((sum, name) => sum + removeAside(store, `${store.folder('layers')}/${name}`), 0) +
    removeBlobs(parts, forgotten.blobs, forgotten.at);
  const mounts = removeUnused(parts, chosen, 'mount');
  const repositories = removeUnused(parts, chosen, 'git');
  return {
    bytes: bytes + mounts.bytes + repositories.bytes,
    layers: forgotten.layers,
    blobs: forgotten.blobs.length,
    records: forgotten.records,
    cacheMounts: mounts.count,
    gitRepositories: repositories.count,
    failedSteps: forgotten.failedSteps,
    images: removedImages,
  };
}

function removeImages({ store, images, content }: PruneParts, { unusedSince }: PruneOptions): number {
  const { database } = store;
  return database.transaction(() => {
    if (currentProtection(store, images, content).isBuilding) return 0;
    const old = images.list().filter(({ updatedAt }) => updatedAt < unusedSince);
    return old.filter(({ reference }) => images.remove(reference)).length;
  });
}

/** The least recently used first, as many as are to go. */
function choose({ store, images, content }: PruneParts, options: PruneOptions): readonly PruneItem[] {
  const protection = store.database.transaction(() => currentProtection(store, images, content));
  const items = takeInventory(store, protection.imageBlobs);
  const { unusedSince, keepBytes } = options;
  const candidates = items
    .filter((item) => item.lastUse < unusedSince && !protection.protects(item))
    .sort((a, b) => a.lastUse - b.lastUse);
  if (keepBytes === undefined) return candidates;
  let total = items.reduce((sum, { bytes }) => sum + bytes, 0);
  const enough = candidates.findIndex((item) => {
    if (total <= keepBytes) return true;
    total -= item.bytes;
    return false;
  });
  return enough < 0 ? candidates : candidates.slice(0, enough);
}

/** What was chosen may be used by now: it is looked at again here, where nobody else writes. */
function forgetChosen(
  { store, images, content }: PruneParts,
  chosen: readonly PruneItem[],
  { unusedSince, keepBytes }: PruneOptions,
): Forgotten & { readonly layers: number; readonly at: number } {
  const { database } = store;
  const protection = currentProtection(store, images, content);
  const layers = stillUnused(store, chosen, protection);
  const blobs = chosen
    .filter((item) => item.kind === 'blob' && !protection.protects(item))
    .map(({ id }) => id as Digest);
  const forgotten = forget(database, layers, { blobs, kept: protection.imageBlobs });
  const records = keepBytes === undefined && !protection.isBuilding ? forgetOld(database, unusedSince) : 0;
  return { ...forgotten, records: forgotten.records + records, layers: layers.size, at: Date.now() };
}

function stillUnused(store: Store, chosen: readonly PruneItem[], protection: Protection): ReadonlySet<string> {
  const uses = layerUses(store.database);
  const unused = chosen.filter(
    (item) => item.kind === 'layer' && uses.get(item.id) === item.lastUse && !protection.protects(item),
  );
  return new Set(unused.map(({ id }) => id));
}

/** Results without layers of their own, and digests of files. */
function forgetOld(database: Database, unusedSince: number): number {
  for (const table of ['file_digests', 'folder_digests'])
    database.statement(`DELETE FROM ${table} WHERE used_at < ?`).run(unusedSince);
  const old = database.statement('SELECT id FROM records WHERE used_at < ?').all(unusedSince);
  for (const { id } of old) removeRecord(database, Number(id));
  return old.length;
}

/**
 * Removes blobs that were forgotten before `before`, but for those that somebody knows again by now. In a transaction: whoever says that a
 * layer exists, and then finds its blob, keeps it.
 */
function removeBlobs({ store, images, content }: PruneParts, digests: readonly Digest[], before: number): number {
  if (digests.length === 0) return 0;
  const aside = store.database.transaction(() => {
    const known = layerBlobs(store).digests;
    const named = referencedBlobs(images, content);
    return digests.flatMap((digest) => {
      if (known.has(digest) || named.has(digest)) return [];
      const path = moveAside(store, blobPath(store, digest), before);
      return path === undefined ? [] : [path];
    });
  });
  return aside.reduce((sum, path) => {
    const bytes = diskUsage(path);
    rmSync(path, { force: true });
    return sum + bytes;
  }, 0);
}

/** By ctime, which writing, renaming and noting a use all set: what has a later one than `before` was wanted again meanwhile, and stays. */
function moveAside(store: Store, path: string, before: number): string | undefined {
  const stat = lstatSync(path, { throwIfNoEntry: false });
  if (stat === undefined || stat.ctimeMs >= before) return undefined;
  const aside = store.temporaryPath();
  renameSync(path, aside);
  return aside;
}

/** Folders that are used by one process at a time, or by several that say so. */
function removeUnused(
  { store, leases }: PruneParts,
  chosen: readonly PruneItem[],
  kind: 'mount' | 'git',
): { readonly bytes: number; readonly count: number } {
  let [bytes, count] = [0, 0];
  for (const item of chosen) {
    if (item.kind !== kind) continue;
    using lease = leases.tryHold(`${kind}:${item.id}`, 'exclusive');
    const path = `${store.folder(kind === 'mount' ? 'mounts' : 'git')}/${item.id}`;
    // A later time: somebody used it since it was chosen.
    if (lease === undefined || lstatSync(path, { throwIfNoEntry: false })?.mtimeMs !== item.lastUse) continue;
    removeAside(store, path);
    bytes += item.bytes;
    count++;
  }
  return { bytes, count };
}

/** Moved away first, so that nobody sees half of it. Returns its bytes; of two processes only one has them. */
function removeAside(store: Store, path: string): number {
  const bytes = diskUsage(path);
  const aside = store.temporaryPath();
  try {
    renameSync(path, aside);
  } catch (error) {
    if (errnoOf(error) !== 'ENOENT') throw error;
    return 0;
  }
  rmSync(aside, { recursive: true, force: true });
  return bytes;
}
