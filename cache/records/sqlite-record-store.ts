import { isDigest } from '../../src/core/digest.ts';
import type { Database } from '../database.ts';
import type { LayerId, LayerStack } from '../layers/layer-store.ts';
import { packKeyParts, unpackKeyParts } from './key-parts.ts';
import type { CacheKey, CacheRecord, KeyPart, RecordStore } from './record-store.ts';

/** How stale a record's time of last use may be, so that a hit seldom costs a write; in milliseconds. */
export const USE_RESOLUTION = 60 * 60 * 1000;

const LAYER_ID = /^[0-9a-f]{1,64}$/;

/** Records in the store's database, with what explains them. */
export interface SqliteRecordStore extends RecordStore {
  /** The named ingredients of the record under the key; none where there is no record. */
  parts(key: CacheKey): readonly KeyPart[];
}

/** A row as SQLite gives it: the file may have been written by anyone. */
type Row = Record<string, unknown> | undefined;

/** The records in `database`. */
export function openRecordStore(database: Database): SqliteRecordStore {
  const find = (columns: string, key: CacheKey): Row =>
    database
      .statement(`SELECT ${columns} FROM records JOIN record_keys ON records.id = record_keys.record WHERE key = ?`)
      .get(key);
  return {
    lookup(key) {
      const row = find('id, stack, precise_key, created_at, used_at', key);
      if (row === undefined) return undefined;
      return noteUse(database, row) ? recordOf(row) : undefined;
    },
    save(keys, record, description, parts) {
      const packed = packKeyParts(parts);
      database.transaction(() => insertRecord(database, keys, { record, description, packed }));
    },
    parts(key) {
      const blob = find('parts', key)?.parts;
      return blob instanceof Uint8Array ? unpackKeyParts(blob) : [];
    },
  };
}

function insertRecord(
  database: Database,
  keys: readonly CacheKey[],
  saved: { readonly record: CacheRecord; readonly description: string; readonly packed: Buffer },
): void {
  const { stack, preciseKey, createdAt } = saved.record;
  const { lastInsertRowid: id } = database
    .statement(
      'INSERT INTO records (stack, precise_key, created_at, used_at, description, parts) VALUES (?, ?, ?, ?, ?, ?)',
    )
    .run(stack.join(','), preciseKey, createdAt, Date.now(), saved.description, saved.packed);
  for (const key of keys) {
    const former = database.statement('SELECT record FROM record_keys WHERE key = ?').get(key)?.record;
    database.statement('INSERT OR REPLACE INTO record_keys (key, record) VALUES (?, ?)').run(key, id);
    if (typeof former === 'number') removeUnreferenced(database, former);
  }
}

function removeUnreferenced(database: Database, record: number): void {
  database
    .statement('DELETE FROM records WHERE id = ?1 AND NOT EXISTS (SELECT 1 FROM record_keys WHERE record = ?1)')
    .run(record);
}

/** False where prune was faster: a record that was used long ago is only safe from it once its use is noted. */
function noteUse(database: Database, row: NonNullable<Row>): boolean {
  const now = Date.now();
  if (Number(row.used_at) > now - USE_RESOLUTION) return true;
  return database.statement('UPDATE records SET used_at = ? WHERE id = ?').run(now, Number(row.id)).changes > 0;
}

/** A row that does not have a record's form is no record. */
function recordOf(row: NonNullable<Row>): CacheRecord | undefined {
  const { stack, precise_key: preciseKey, created_at: createdAt } = row;
  if (typeof stack !== 'string' || typeof createdAt !== 'number' || !isDigest(preciseKey)) return undefined;
  const layers = stack === '' ? [] : stack.split(',');
  if (!layers.every((layer): layer is LayerId => LAYER_ID.test(layer))) return undefined;
  return { stack: layers satisfies LayerStack, preciseKey: preciseKey as CacheKey, createdAt };
}
