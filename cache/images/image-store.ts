import type { Descriptor } from '../../src/core/descriptor.ts';
import type { Digest } from '../../src/core/digest.ts';
import type { Database } from '../database.ts';

/** `pulled`: what a registry has under this reference. `built`: made here, and perhaps nowhere else. */
export type ImageOrigin = 'pulled' | 'built';

/** A reference of the local image store and the manifest or index that it names. */
export interface StoredImage {
  /** Normalised: `docker.io/library/debian:bookworm`. */
  readonly reference: string;
  readonly target: Descriptor;
  readonly origin: ImageOrigin;
  /** Milliseconds since 1970. */
  readonly updatedAt: number;
}

/** A repository that has a blob: a reference's domain and path. */
export interface BlobLocation {
  readonly domain: string;
  readonly path: string;
}

/**
 * What `-t` and pulls named, shared by all processes that use the store. Manifests and configs of its images are in the content
 * store; layers of pulled images may still be in their registry. Prune keeps whatever `referenced-blobs.ts` finds from here.
 */
export interface ImageStore {
  get(reference: string): StoredImage | undefined;
  /** Points a reference at `target`, in place of what it named before. */
  put(reference: string, target: Descriptor, origin: ImageOrigin): void;
  /** Whether there was such a reference. The blobs stay until prune. */
  remove(reference: string): boolean;
  /** All images in the order of their references. */
  list(): readonly StoredImage[];
  /** Remembers that a repository has these blobs. Idempotent. */
  addBlobSource(digests: readonly Digest[], location: BlobLocation): void;
  /** The repositories that were seen to have a blob. */
  blobSources(digest: Digest): readonly BlobLocation[];
  /** Forgets where the blobs are that `isKept` says no to. */
  forgetBlobSources(isKept: (digest: Digest) => boolean): void;
}

/** The image store in a store's database. */
export function openImageStore(database: Database): ImageStore {
  return {
    get(reference) {
      const row = database.statement('SELECT * FROM images WHERE reference = ?').get(reference);
      return row === undefined ? undefined : imageOf(row);
    },
    put(reference, { mediaType, digest, size }, origin) {
      database
        .statement('INSERT OR REPLACE INTO images VALUES (?, ?, ?, ?, ?, ?)')
        .run(reference, mediaType, digest, size, origin, Date.now());
    },
    remove: (reference) =>
      Number(database.statement('DELETE FROM images WHERE reference = ?').run(reference).changes) > 0,
    list: () => database.statement('SELECT * FROM images ORDER BY reference').all().map(imageOf),
    addBlobSource(digests, { domain, path }) {
      const insert = database.statement('INSERT OR IGNORE INTO blob_sources VALUES (?, ?, ?)');
      database.transaction(() => {
        for (const digest of digests) insert.run(digest, domain, path);
      });
    },
    blobSources: (digest) =>
      database
        .statement('SELECT domain, repository FROM blob_sources WHERE digest = ? ORDER BY domain, repository')
        .all(digest)
        .map((row) => ({ domain: String(row.domain), path: String(row.repository) })),
    forgetBlobSources(isKept) {
      database.transaction(() => {
        const rows = database.statement('SELECT DISTINCT digest FROM blob_sources').all();
        const remove = database.statement('DELETE FROM blob_sources WHERE digest = ?');
        for (const { digest } of rows) if (!isKept(digest as Digest)) remove.run(digest as string);
      });
    },
  };
}

function imageOf(row: Readonly<Record<string, unknown>>): StoredImage {
  return {
    reference: String(row.reference),
    target: { mediaType: String(row.media_type), digest: row.digest as Digest, size: Number(row.size) },
    origin: row.origin === 'built' ? 'built' : 'pulled',
    updatedAt: Number(row.updated_at),
  };
}
