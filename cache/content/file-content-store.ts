import {
  closeSync,
  fstatSync,
  lstatSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  utimesSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { type Digest, digestOf, hexOf, isDigest, startDigest } from '../../src/core/digest.ts';
import { errnoOf, SlipwayError } from '../../src/core/errors.ts';
import type { Store } from '../store.ts';
import { backgroundFile } from './background-file.ts';
import type { BlobWriter, BlobWriterOptions, ContentStore } from './content-store.ts';

/** What `read` takes where the caller names no limit: manifests and configs are far smaller. */
const READ_LIMIT = 8 * 1024 * 1024;

/** Blobs as read-only files in the store's `blobs/sha256`. */
export function openContentStore(store: Store): ContentStore {
  const pathOf = (digest: Digest) => {
    if (!isDigest(digest)) throw new Error(`internal: ${JSON.stringify(digest)} is no digest`);
    return `${store.folder('blobs/sha256')}/${hexOf(digest)}`;
  };
  const size = (digest: Digest) => {
    const stats = lstatSync(pathOf(digest), { throwIfNoEntry: false });
    return stats?.isFile() ? stats.size : undefined;
  };
  const writer = (options: BlobWriterOptions = {}) => openWriter(store.temporaryPath(), pathOf, options);
  return {
    size,
    path: (digest) => (size(digest) === undefined ? undefined : pathOf(digest)),
    read: (digest, limit = READ_LIMIT) => readBlob(pathOf(digest), digest, limit),
    put(bytes) {
      const digest = digestOf(bytes);
      if (size(digest) === bytes.length && noteUse(pathOf(digest))) return digest;
      const temporary = store.temporaryPath();
      writeFileSync(temporary, bytes, { mode: 0o600, flag: 'wx' });
      renameSync(temporary, pathOf(digest));
      return digest;
    },
    async ingest(bytes, expected, signal) {
      using blob = writer();
      let received = 0;
      for await (const chunk of bytes) {
        signal?.throwIfAborted();
        received += chunk.length;
        if (expected !== undefined && received > expected.size)
          throw mismatch(expected, `more than ${expected.size} bytes`);
        blob.write(chunk);
      }
      signal?.throwIfAborted();
      return blob.commit(expected);
    },
    writer,
    delete: (digest) => rmSync(pathOf(digest), { force: true }),
  };
}

/** The time of a blob's last use is its mtime: see cache/prune. False where the blob is gone by now. */
function noteUse(path: string): boolean {
  try {
    const now = new Date();
    utimesSync(path, now, now);
    return true;
  } catch (error) {
    if (errnoOf(error) !== 'ENOENT') throw error;
    return false;
  }
}

type Expectation = { readonly digest: Digest; readonly size: number };

interface CheckedWriter extends BlobWriter {
  commit(expected?: Expectation): Expectation;
}

function openWriter(
  temporary: string,
  pathOf: (digest: Digest) => string,
  { digest: background }: BlobWriterOptions,
): CheckedWriter {
  const running = background ?? startDigest();
  let file: number | undefined = openSync(temporary, 'wx', 0o600);
  const appended = backgroundFile(file);
  let size = 0;
  const close = () => {
    if (file !== undefined) closeSync(file);
    file = undefined;
  };
  return {
    write(bytes, { isDigested = false } = {}) {
      if (file === undefined) throw new Error('internal: write to a finished blob');
      if (!isDigested) running.update(bytes);
      for (let done = 0; done < bytes.length; ) done += writeSync(file, bytes, done);
      size += bytes.length;
    },
    async append(bytes, { isDigested = false } = {}) {
      size += bytes.length;
      const hashed = isDigested ? undefined : (background?.append(bytes) ?? running.update(bytes));
      await Promise.all([appended.append(bytes), hashed]);
    },
    flush: async () => void (await Promise.all([appended.flush(), background?.flush()])),
    commit(expected) {
      const written = { digest: running.finish(), size };
      if (expected !== undefined && (expected.digest !== written.digest || expected.size !== size))
        throw mismatch(expected, `${written.digest} of ${size} bytes`);
      close();
      // Even where the blob is there: what a machine crash left truncated is healed so.
      renameSync(temporary, pathOf(written.digest));
      return written;
    },
    [Symbol.dispose]: () => {
      close();
      rmSync(temporary, { force: true });
    },
  };
}

function readBlob(path: string, digest: Digest, limit: number): Buffer {
  const bytes = readBounded(path, digest, limit);
  if (digestOf(bytes) === digest) return bytes;
  throw new SlipwayError('SLIPWAY_BLOB_CORRUPT', `the store's blob ${digest} has other bytes than its digest says`, {
    hint: `remove ${path}; it is made or fetched again when it is needed`,
  });
}

function readBounded(path: string, digest: Digest, limit: number): Buffer {
  let file: number;
  try {
    file = openSync(path, 'r');
  } catch (error) {
    if (errnoOf(error) !== 'ENOENT') throw error;
    throw new SlipwayError('SLIPWAY_BLOB_MISSING', `the blob ${digest} is not in the store`, { cause: error });
  }
  try {
    const { size } = fstatSync(file);
    if (size <= limit) return readFileSync(file);
    throw new SlipwayError(
      'SLIPWAY_BLOB_TOO_LARGE',
      `the blob ${digest} has ${size} bytes; no more than ${limit} were expected here`,
    );
  } finally {
    closeSync(file);
  }
}

function mismatch(expected: Expectation, found: string): SlipwayError {
  return new SlipwayError(
    'SLIPWAY_BLOB_MISMATCH',
    `a blob is not what was asked for: expected ${expected.digest} of ${expected.size} bytes, got ${found}`,
    { hint: 'the transfer may have been damaged on its way; try again' },
  );
}
