import { lutimesSync } from 'node:fs';
import { deflateRawSync, inflateRawSync } from 'node:zlib';
import { hostPath } from '../../src/core/byte-path.ts';
import { inArchiveOrder } from './layer-items.ts';
import type { TreeEntry } from './layer-store.ts';

/**
 * The mtimes of a layer, packed, where any is above `epoch`; else undefined. A blob that is made with an epoch loses them, and
 * may be all that is left of the layer when it is next asked for, with another epoch: builds of the next commit are.
 */
export function mtimesAbove(entries: readonly TreeEntry[], epoch: number): Uint8Array | undefined {
  const mtimes = presentFiles(entries).map(({ file }) => file.mtime);
  if (mtimes.every((mtime) => mtime <= epoch)) return undefined;
  return deflateRawSync(new Uint8Array(new Float64Array(mtimes).buffer), { level: 1 });
}

/** Gives the files of a layer's folder at `root`, whose entries are `entries`, the mtimes that `mtimesAbove` packed. */
export function setMtimes(root: string, entries: readonly TreeEntry[], packed: Uint8Array): void {
  const bytes = inflateRawSync(packed);
  const mtimes = new Float64Array(bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.byteLength));
  const files = presentFiles(entries);
  if (files.length !== mtimes.length)
    throw new Error(`internal: ${root} has ${files.length} files, and ${mtimes.length} mtimes were kept`);
  files.forEach(({ path, file }, index) => {
    const mtime = mtimes[index] as number;
    if (mtime !== file.mtime) lutimesSync(hostPath(`${root}${path}` as typeof path), mtime, mtime);
  });
}

function presentFiles(entries: readonly TreeEntry[]) {
  return inArchiveOrder(entries).flatMap(({ path, change }) =>
    change.kind === 'present' ? [{ path, file: change.file }] : [],
  );
}
