import type { Descriptor, LayerBlob } from '../../src/core/descriptor.ts';
import type { DiffID, Digest } from '../../src/core/digest.ts';
import type { Database } from '../database.ts';
import { decodeTraits, encodeTraits, type LayerTraits } from './layer-folder.ts';
import type { LayerId } from './layer-store.ts';

/** A registered folder in layers/, by name. */
export interface FolderRow {
  readonly folder: string;
  readonly traits: LayerTraits | undefined;
}

/** A blob that a layer exists as. `variant` names what shaped its bytes. */
export interface BlobRow extends LayerBlob {
  readonly variant: string;
}

/** What the store's database knows of layers. Every call is one statement or one short transaction. */
export interface LayerTable {
  /** Says that the layer exists; with the blob that it was pulled as. Idempotent. */
  add(layer: LayerId, pulledAs?: Descriptor): void;
  /** When the layer was added, milliseconds since 1970; undefined for one that is not known. */
  createdAt(layer: LayerId): number | undefined;
  /** The blob that the layer was pulled as; undefined for a layer that was made here, or is not known. */
  pulledAs(layer: LayerId): Descriptor | undefined;
  /** The layer's folder on top of the stack that `below` is the digest of; any of its folders where that is undefined. */
  folder(layer: LayerId, below: Digest | undefined): FolderRow | undefined;
  /** Registers a folder. False where the layer has one for that stack already: the caller's is not needed. */
  addFolder(layer: LayerId, folder: FolderRow, below: Digest | ''): boolean;
  blobs(layer: LayerId): BlobRow[];
  addBlob(layer: LayerId, blob: BlobRow): void;
  /** See kept-mtimes.ts. */
  mtimes(layer: LayerId): Uint8Array | undefined;
  setMtimes(layer: LayerId, mtimes: Uint8Array): void;
}

/** The tables of `database` that hold layers. */
export function openLayerTable(database: Database): LayerTable {
  const add = (layer: LayerId, pulledAs?: Descriptor) => {
    // Most layers are known, and a read takes no lock.
    if (database.statement('SELECT 1 FROM layers WHERE id = ?').get(layer) !== undefined) return;
    database
      .statement('INSERT OR IGNORE INTO layers (id, descriptor, created_at) VALUES (?, ?, ?)')
      .run(layer, pulledAs === undefined ? null : JSON.stringify(pulledAs), Date.now());
  };
  return {
    add,
    createdAt(layer) {
      const row = database.statement('SELECT created_at FROM layers WHERE id = ?').get(layer);
      return row === undefined ? undefined : Number(row.created_at);
    },
    pulledAs(layer) {
      const text = database.statement('SELECT descriptor FROM layers WHERE id = ?').get(layer)?.descriptor;
      return typeof text === 'string' ? (JSON.parse(text) as Descriptor) : undefined;
    },
    folder(layer, below) {
      const row = database
        .statement("SELECT folder, traits FROM layer_folders WHERE layer = ? AND (?2 IS NULL OR below IN ('', ?2))")
        .get(layer, below ?? null);
      return row === undefined ? undefined : { folder: String(row.folder), traits: decodeTraits(Number(row.traits)) };
    },
    addFolder(layer, { folder, traits }, below) {
      add(layer);
      return (
        database
          .statement(
            'INSERT OR IGNORE INTO layer_folders (folder, layer, below, traits, created_at) VALUES (?, ?, ?, ?, ?)',
          )
          .run(folder, layer, below, encodeTraits(traits), Date.now()).changes === 1
      );
    },
    blobs: (layer) =>
      database
        .statement('SELECT variant, media_type, digest, size, diff_id, annotations FROM layer_blobs WHERE layer = ?')
        .all(layer)
        .map((row) => ({
          variant: String(row.variant),
          descriptor: {
            mediaType: String(row.media_type),
            digest: row.digest as Digest,
            size: Number(row.size),
            ...(typeof row.annotations === 'string' ? { annotations: JSON.parse(row.annotations) } : {}),
          },
          diffId: row.diff_id as DiffID,
        })),
    addBlob(layer, { variant, descriptor, diffId }) {
      add(layer);
      const { mediaType, digest, size, annotations } = descriptor;
      database
        .statement(
          'INSERT OR REPLACE INTO layer_blobs (layer, variant, media_type, digest, size, diff_id, annotations) VALUES (?, ?, ?, ?, ?, ?, ?)',
        )
        .run(
          layer,
          variant,
          mediaType,
          digest,
          size,
          diffId,
          annotations === undefined ? null : JSON.stringify(annotations),
        );
    },
    mtimes(layer) {
      const bytes = database.statement('SELECT mtimes FROM layer_mtimes WHERE layer = ?').get(layer)?.mtimes;
      return bytes instanceof Uint8Array ? bytes : undefined;
    },
    setMtimes: (layer, mtimes) =>
      void database.statement('INSERT OR REPLACE INTO layer_mtimes (layer, mtimes) VALUES (?, ?)').run(layer, mtimes),
  };
}
