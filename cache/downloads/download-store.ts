import { type Digest, digestOf, isDigest } from '../../src/core/digest.ts';
import type { Database } from '../database.ts';

/** What a URL gave: the blob in the content store, and the tag by which the server tells whether it is still the same. */
export interface Download {
  readonly etag: string;
  readonly digest: Digest;
  /** When the server says it was changed last, seconds since 1970; 0 where it does not say. */
  readonly mtime: number;
}

/** Remembers what URLs gave, so that unchanged files are not fetched again. The blobs may be gone: the caller asks the content store. */
export interface DownloadStore {
  lookup(url: string): Download | undefined;
  save(url: string, download: Download): void;
}

/** The downloads of a store, shared by all processes that use it. */
export function openDownloadStore(database: Database): DownloadStore {
  return {
    lookup(url) {
      const row = database.statement('SELECT etag, digest, mtime FROM downloads WHERE url = ?').get(digestOf(url));
      if (typeof row?.etag !== 'string' || typeof row.mtime !== 'number' || !isDigest(row.digest)) return undefined;
      return { etag: row.etag, digest: row.digest, mtime: row.mtime };
    },
    save(url, { etag, digest, mtime }) {
      const statement = database.statement(
        'INSERT OR REPLACE INTO downloads (url, etag, digest, mtime) VALUES (?, ?, ?, ?)',
      );
      statement.run(digestOf(url), etag, digest, mtime);
    },
  };
}
