import type { Digest } from '../../src/core/digest.ts';
import type { Database } from '../database.ts';
import { layerBlobs } from './inventory.ts';
import { layersOf } from './layer-uses.ts';

/** What the database no longer knows, and what files that leaves behind. */
export interface Forgotten {
  /** Names of folders in layers/. */
  readonly folders: readonly string[];
  readonly blobs: readonly Digest[];
  readonly records: number;
  readonly failedSteps: number;
}

/**
 * Removes the rows of layers and blobs, in a transaction of the caller's, and of all that cannot be used without them. Blobs that another layer
 * or an image (`kept`) has as well stay.
 */
export function forget(
  database: Database,
  layers: ReadonlySet<string>,
  { blobs, kept }: { readonly blobs: readonly Digest[]; readonly kept: ReadonlySet<Digest> },
): Forgotten {
  const { byLayer } = layerBlobs({ database });
  const folders: string[] = [];
  for (const layer of layers) {
    for (const { folder } of database.statement('SELECT folder FROM layer_folders WHERE layer = ?').all(layer))
      folders.push(String(folder));
    for (const table of ['layer_folders', 'layer_blobs', 'layer_mtimes'])
      database.statement(`DELETE FROM ${table} WHERE layer = ?`).run(layer);
    database.statement('DELETE FROM layers WHERE id = ?').run(layer);
  }
  const left = layerBlobs({ database }).digests;
  const own = [...layers].flatMap((layer) => byLayer.get(layer) ?? []);
  const removed = [...new Set([...own, ...blobs])].filter((digest) => !left.has(digest) && !kept.has(digest));
  for (const digest of removed) forgetBlob(database, digest);
  return {
    folders,
    blobs: removed,
    records: forgetRecords(database, layers),
    failedSteps: forgetSteps(database, layers),
  };
}

function forgetBlob(database: Database, digest: Digest): void {
  database.statement('DELETE FROM layer_members WHERE blob = ?').run(digest);
  database.statement('DELETE FROM downloads WHERE digest = ?').run(digest);
  database.statement('DELETE FROM blob_sources WHERE digest = ?').run(digest);
}

function forgetRecords(database: Database, layers: ReadonlySet<string>): number {
  let count = 0;
  for (const { id, stack } of database.statement('SELECT id, stack FROM records').all()) {
    if (
      !String(stack)
        .split(',')
        .some((layer) => layers.has(layer))
    )
      continue;
    removeRecord(database, Number(id));
    count++;
  }
  return count;
}

/** Removes a record with its keys. */
export function removeRecord(database: Database, id: number): void {
  database.statement('DELETE FROM record_keys WHERE record = ?').run(id);
  database.statement('DELETE FROM records WHERE id = ?').run(id);
}

function forgetSteps(database: Database, layers: ReadonlySet<string>): number {
  let count = 0;
  for (const { id, step } of database.statement('SELECT id, step FROM failed_steps').all()) {
    const needed = layersOf(String(step));
    if (needed.length > 0 && !needed.some((layer) => layers.has(layer))) continue;
    database.statement('DELETE FROM failed_steps WHERE id = ?').run(String(id));
    count++;
  }
  return count;
}
