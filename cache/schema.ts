import { DOWNLOAD_TABLES } from './downloads/download-table.ts';
import { FAILED_STEP_TABLES } from './failed-steps/failed-step-table.ts';
import { IMAGE_TABLES } from './images/image-table.ts';

/**
 * The tables of `slipway.db`. Step `n` brings a database from version `n` to `n + 1`; the version stands in `user_version`. A step that
 * was released is never changed: a new one is added.
 */
export const SCHEMA_STEPS: readonly string[] = [
  `
  -- Results of vertices. "stack": layer ids, lowest first, joined by commas. "parts": see records/key-parts.ts.
  CREATE TABLE records (
    id INTEGER PRIMARY KEY,
    stack TEXT NOT NULL,
    precise_key TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    used_at INTEGER NOT NULL,
    description TEXT NOT NULL,
    parts BLOB NOT NULL
  ) STRICT;
  CREATE TABLE record_keys (
    key TEXT PRIMARY KEY,
    record INTEGER NOT NULL REFERENCES records (id)
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX record_keys_by_record ON record_keys (record);

  -- Digests of files by folder: see file-digests.ts.
  CREATE TABLE file_digests (
    folder TEXT PRIMARY KEY,
    names TEXT NOT NULL,
    stamps BLOB NOT NULL,
    digests BLOB NOT NULL,
    used_at INTEGER NOT NULL
  ) STRICT;

  -- What processes use at the moment ("layer:<id>", "blob:<digest>", "mount:<folder>"): see leases.ts.
  CREATE TABLE leases (
    id INTEGER PRIMARY KEY,
    process TEXT NOT NULL,
    resource TEXT NOT NULL,
    sharing TEXT NOT NULL,
    created_at INTEGER NOT NULL
  ) STRICT;
  CREATE INDEX leases_by_resource ON leases (resource);

  -- Layers that outlive a process. "descriptor" (JSON): of the blob that a pulled layer came as; such a layer is named by its diffID.
  CREATE TABLE layers (
    id TEXT PRIMARY KEY,
    descriptor TEXT,
    created_at INTEGER NOT NULL
  ) STRICT, WITHOUT ROWID;
  -- Every folder in layers/ has a row; one without is what a process left that died between writing and registering it. "below": a
  -- digest of the stack below, for the few folders that depend on it, else empty. "traits": see layers/layer-folder.ts.
  CREATE TABLE layer_folders (
    folder TEXT PRIMARY KEY,
    layer TEXT NOT NULL,
    below TEXT NOT NULL,
    traits INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    UNIQUE (layer, below)
  ) STRICT, WITHOUT ROWID;
  -- The blobs that a layer exists as. "variant" names the compression and what else shaped the bytes (level, epoch).
  CREATE TABLE layer_blobs (
    layer TEXT NOT NULL,
    variant TEXT NOT NULL,
    media_type TEXT NOT NULL,
    digest TEXT NOT NULL,
    size INTEGER NOT NULL,
    diff_id TEXT NOT NULL,
    PRIMARY KEY (layer, variant)
  ) STRICT, WITHOUT ROWID;
  -- mtimes that a blob made with an epoch does not have: see layers/kept-mtimes.ts.
  CREATE TABLE layer_mtimes (
    layer TEXT PRIMARY KEY,
    mtimes BLOB NOT NULL
  ) STRICT, WITHOUT ROWID;
  -- Pieces of blobs that were compressed on their own, by a digest of what they are made from: see layers/member-table.ts.
  CREATE TABLE layer_members (
    key BLOB PRIMARY KEY,
    blob TEXT NOT NULL,
    place INTEGER NOT NULL,
    size INTEGER NOT NULL
  ) STRICT, WITHOUT ROWID;

  -- What was found out about the store's filesystem once.
  CREATE TABLE settings (
    name TEXT PRIMARY KEY,
    value TEXT NOT NULL
  ) STRICT, WITHOUT ROWID;
  `,
  IMAGE_TABLES,
  DOWNLOAD_TABLES,
  // Of the blob's descriptor, JSON: what estargz says of its table of contents.
  'ALTER TABLE layer_blobs ADD COLUMN annotations TEXT;',
  FAILED_STEP_TABLES,
  // Members by what they are made from, with what shows that they are whole. "key" and "checksum": see layers/member-keys.ts, member-table.ts.
  `
  DROP TABLE layer_members;
  CREATE TABLE layer_members (
    key BLOB PRIMARY KEY,
    blob TEXT NOT NULL,
    place INTEGER NOT NULL,
    size INTEGER NOT NULL,
    tar_size INTEGER NOT NULL,
    checksum INTEGER NOT NULL
  ) STRICT, WITHOUT ROWID;
  `,
  `
  -- Digests of the files of folders that were read whole: see folder-digests.ts.
  CREATE TABLE folder_digests (
    folder TEXT PRIMARY KEY,
    used_at INTEGER NOT NULL,
    mark TEXT NOT NULL,
    listing TEXT NOT NULL,
    names TEXT NOT NULL,
    stamps BLOB NOT NULL,
    digests BLOB NOT NULL,
    plain BLOB NOT NULL
  ) STRICT;
  `,
  // What digests had come to behind a member whose key says what is before it: see layers/member-digests.ts.
  'ALTER TABLE layer_members ADD COLUMN states BLOB;',
];
