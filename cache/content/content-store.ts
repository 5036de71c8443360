import type { Descriptor } from '../../src/core/descriptor.ts';
import type { Digest } from '../../src/core/digest.ts';
import type { BackgroundDigest } from './background-digest.ts';

/**
 * Blobs by digest, in the form of an OCI image layout's `blobs/` folder. What is in it was verified when it was written, so
 * reading trusts it. Safe for many processes: writes go to a temporary file in the same filesystem and are renamed into place.
 */
export interface ContentStore {
  /** Size of the blob, or undefined where it is not there. */
  size(digest: Digest): number | undefined;
  /** Where the blob lies, for a copy by the kernel or a reader of its own; undefined where it is not there. */
  path(digest: Digest): string | undefined;
  /** The whole of a small blob (manifest, config); an error above `limit` bytes or where it is not there. */
  read(digest: Digest, limit?: number): Buffer;
  /** Stores a small blob. Idempotent. */
  put(bytes: Uint8Array): Descriptor['digest'];
  /**
   * Stores a stream. Idempotent. With `expected`, a wrong digest or size is an error (`SLIPWAY_BLOB_MISMATCH`) that names what
   * was expected and found, nothing is kept, and no more than `expected.size` bytes are taken.
   */
  ingest(
    bytes: AsyncIterable<Uint8Array>,
    expected?: { readonly digest: Digest; readonly size: number },
    signal?: AbortSignal,
  ): Promise<{ readonly digest: Digest; readonly size: number }>;
  /** A writer for bytes whose digest its producer computes anyway; `commit` renames, disposing without commit discards. */
  writer(options?: BlobWriterOptions): BlobWriter;
  delete(digest: Digest): void;
}

export interface BlobWriterOptions {
  /** What computes the digest, for a caller that knows states of it. By default `append` hashes before it returns. */
  readonly digest?: BackgroundDigest;
}

export interface WriteOptions {
  /** The caller has brought the digest behind these bytes. */
  readonly isDigested?: boolean;
}

export interface BlobWriter extends Disposable {
  /** Appends; synchronous, because the page cache takes it. Not before what was handed to `append` is flushed. */
  write(bytes: Uint8Array, options?: WriteOptions): void;
  /**
   * Appends while the caller goes on, and resolves when more may be appended. The bytes must stay as they are, and the writer must neither
   * be committed nor disposed, until a `flush` has settled.
   */
  append(bytes: Uint8Array, options?: WriteOptions): Promise<void>;
  flush(): Promise<void>;
  /** Renames into place under the digest of what was written, which is computed while writing. Idempotent for equal content. */
  commit(): { readonly digest: Digest; readonly size: number };
}
