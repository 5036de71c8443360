import { lutimesSync } from 'node:fs';
import { deflateRawSync, inflateRawSync } from 'node:zlib';
import { hostPath } from '../../src/core/byte-path.ts';
import type { TreeEntry } from './layer-store.ts';

/** Notes the mtimes of entries that pass through. */
export interface MtimeRecord {
  record(entries: Iterable<TreeEntry>): Iterable<TreeEntry>;
  /** The mtimes of what passed through, packed, where any is above the epoch; else undefined. */
  packed(): Uint8Array | undefined;
}

/**
 * Keeps what a blob that is made with an epoch loses, and which may be all that is left of the layer when it is next asked for, with
 * another epoch: builds of the next commit are. 8 bytes a file.
 */
export function recordMtimes(epoch: number): MtimeRecord {
  const mtimes: number[] = [];
  let isAbove = false;
  return {
    *record(entries) {
      for (const entry of entries) {
        if (isDated(entry)) {
          mtimes.push(entry.change.file.mtime);
          isAbove ||= entry.change.file.mtime > epoch;
        }
        yield entry;
      }
    },
    packed: () => (isAbove ? deflateRawSync(new Uint8Array(new Float64Array(mtimes).buffer), { level: 1 }) : undefined),
  };
}

/** Gives the files of a layer's folder at `root`, whose entries are `entries`, the mtimes that were recorded. */
export function setMtimes(root: string, entries: Iterable<TreeEntry>, packed: Uint8Array): void {
  const bytes = inflateRawSync(packed);
  const mtimes = new Float64Array(bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.byteLength));
  let count = 0;
  for (const entry of entries) {
    if (!isDated(entry)) continue;
    const mtime = mtimes[count++];
    if (mtime !== undefined && mtime !== entry.change.file.mtime)
      lutimesSync(hostPath(`${root}${entry.path}` as typeof entry.path), mtime, mtime);
  }
  if (count !== mtimes.length)
    throw new Error(`internal: ${root} has ${count} files, and ${mtimes.length} mtimes were kept`);
}

type PresentEntry = TreeEntry & { readonly change: { readonly kind: 'present' } };

/** What an archive has with a time of its own. */
function isDated(entry: TreeEntry): entry is PresentEntry {
  return entry.change.kind === 'present' && entry.change.file.type !== 'socket';
}
