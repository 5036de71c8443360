import type { BytePath } from '../src/core/byte-path.ts';
import { SlipwayError } from '../src/core/errors.ts';
import { DIGEST_BYTES, type FileFacts, setDigest } from '../src/core/folder-state.ts';
import { type Stamps, statAt } from '../src/core/host-stamp.ts';
import { syscalls } from '../src/core/syscalls.ts';
import type { HashFile } from './hash-file.ts';
import { isLayerXattr } from './layers/overlay-format.ts';

/** Files of one folder of this machine whose bytes are to be read, in the state in which they were seen. */
export interface HashBatch {
  readonly folder: BytePath;
  readonly names: readonly BytePath[];
  /** In the order of the names. */
  readonly stamps: Stamps;
}

/** What was found out of a batch, in its order. */
export type HashedBatch = Pick<FileFacts, 'plain'> & { readonly digests: Uint8Array };

/** Reads the files of a batch. One that cannot be read, or is not what it was, is left unknown: who reads it again says what is wrong. */
export function hashBatch({ folder, names, stamps }: HashBatch, hashFile: HashFile): HashedBatch {
  const digests = Buffer.alloc(names.length * DIGEST_BYTES);
  const plain = new Uint8Array(names.length);
  for (const [index, name] of names.entries()) {
    const state = statAt(stamps, index);
    const file = { path: `${folder}/${name}` as BytePath, size: state.size, state };
    try {
      const digest = hashFile(file, (descriptor) => {
        plain[index] = hasLayerXattrs(descriptor) ? 0 : 1;
      });
      setDigest({ digests }, index, digest);
    } catch (error) {
      if (!(error instanceof SlipwayError)) throw error;
    }
  }
  return { digests, plain };
}

/** Whether a layer would keep one of an open file's extended attributes. A path is asked in five times the time. */
export function hasLayerXattrs(descriptor: number): boolean {
  return syscalls().xattrNames(descriptor).some(isLayerXattr);
}
