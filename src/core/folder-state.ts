import type { BytePath } from './byte-path.ts';
import type { FileEntry } from './file-tree.ts';
import type { Stamps } from './host-stamp.ts';

/** The names that a tree shows of a folder, and what the folder was like when it had them. */
export interface KnownListing {
  /** Sorted by bytes. */
  readonly names: readonly BytePath[];
  /** While a folder has this mark, it has these names. Empty where that cannot be said. */
  readonly mark: string;
}

/** The files of a folder of this machine as they were first seen; compact, because there may be hundreds of thousands. */
export interface FolderState extends KnownListing, FileFacts {
  /** When the folder was looked at, in milliseconds since 1970: what changed shortly before may have changed again since. */
  readonly seenAt: number;
  /** The file at a position, as the tree's `lstat` has it. */
  entryAt(index: number): FileEntry;
}

/** What is known of files, in the order of their names. */
export interface FileFacts {
  readonly stamps: Stamps;
  /**
   * For each name the SHA-256 of a regular file's bytes in this state, `DIGEST_BYTES` long; zero where nobody knows it yet. Filled in by
   * whoever does.
   */
  readonly digests: Buffer;
  /** 1 for each name that is known to have no extended attributes in this state: they need not be read then. Filled in likewise. */
  readonly plain: Uint8Array;
}

export const DIGEST_BYTES = 32;

/**
 * What was changed less than this before it was looked at may be changed again within one tick of the filesystem's clock, and then look
 * the same (milliseconds; FAT has the coarsest clock). The ctime counts, because nothing sets it back.
 */
export const RACY_WINDOW = 2000;

/** The digest of a file's bytes, 64 hex digits; undefined where it is not known. */
export function digestAt({ digests }: Pick<FileFacts, 'digests'>, index: number): string | undefined {
  const hex = digests.toString('hex', index * DIGEST_BYTES, (index + 1) * DIGEST_BYTES);
  return hex === UNKNOWN ? undefined : hex;
}

/** Whether the digest of a file's bytes is known. Six bytes of a SHA-256 are never all zero. */
export function isDigestKnown({ digests }: Pick<FileFacts, 'digests'>, index: number): boolean {
  return digests.readUIntLE(index * DIGEST_BYTES, 6) !== 0;
}

/** Notes the digest of a file's bytes, 64 hex digits. */
export function setDigest({ digests }: Pick<FileFacts, 'digests'>, index: number, digest: string): void {
  digests.write(digest, index * DIGEST_BYTES, DIGEST_BYTES, 'hex');
}

const UNKNOWN = '0'.repeat(2 * DIGEST_BYTES);
