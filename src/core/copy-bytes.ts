import {
  closeSync,
  constants,
  copyFileSync,
  fchmodSync,
  fchownSync,
  fstatSync,
  ftruncateSync,
  openSync,
  readSync,
  statSync,
  writeSync,
} from 'node:fs';
import { hasHoles, nextData } from './file-holes.ts';

const CHUNK_BYTES = 1024 * 1024;

/**
 * Puts the bytes of a file into an open one that is empty. The kernel copies them, or shares the blocks where the filesystem can; the holes
 * of a sparse file become holes. The open file keeps its owner and mode.
 */
export function copyBytes(from: string | Buffer, to: number): void {
  const stats = statSync(from);
  if (hasHoles(stats)) copyData(from, to, stats.size);
  else copyWhole(from, to);
}

/** Node's copy gives the file the owner and mode of the source, as far as it may. */
function copyWhole(from: string | Buffer, to: number): void {
  const before = fstatSync(to);
  copyFileSync(from, `/proc/self/fd/${to}`, constants.COPYFILE_FICLONE);
  const after = fstatSync(to);
  if (after.uid !== before.uid || after.gid !== before.gid) fchownSync(to, before.uid, before.gid);
  if (after.mode !== before.mode) fchmodSync(to, before.mode & 0o7777);
}

function copyData(from: string | Buffer, to: number, size: number): void {
  const source = openSync(from, 'r');
  try {
    const chunk = Buffer.allocUnsafeSlow(CHUNK_BYTES);
    let data = nextData(source, 0, size);
    for (let at = data.start; at < data.end; ) {
      const read = readSync(source, chunk, 0, Math.min(chunk.length, data.end - at), at);
      // It is shorter by now; whoever must not miss that checks the file afterwards.
      if (read === 0) break;
      for (let done = 0; done < read; ) done += writeSync(to, chunk, done, read - done, at + done);
      at += read;
      if (at < data.end) continue;
      data = nextData(source, at, size);
      at = data.start;
    }
    ftruncateSync(to, size);
  } finally {
    closeSync(source);
  }
}
