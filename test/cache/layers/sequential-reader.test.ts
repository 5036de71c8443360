import { createHash } from 'node:crypto';
import { closeSync, ftruncateSync, openSync, readFileSync, truncateSync, writeFileSync, writeSync } from 'node:fs';
import { expect, it, onTestFinished } from 'vitest';
import { sequentialReader } from '../../../cache/layers/sequential-reader.ts';
import { temporaryFolder } from '../../rig/temporary-folder.ts';

const MIB = 1024 * 1024;

/** A file of this size that is all holes but for the texts at their offsets. */
function sparseFile(size: number, texts: ReadonlyMap<number, string>): string {
  const path = `${temporaryFolder('reader')}/sparse`;
  const file = openSync(path, 'wx');
  for (const [offset, text] of texts) writeSync(file, Buffer.from(text), 0, text.length, offset);
  ftruncateSync(file, size);
  closeSync(file);
  return path;
}

function opened(path: string): number {
  const file = openSync(path, 'r');
  onTestFinished(() => closeSync(file));
  return file;
}

/** The chunks of a file, each of which is good until the next. */
function* chunksOf(path: string, size: number, bufferBytes: number): Generator<Buffer> {
  const readNext = sequentialReader(opened(path), size);
  const buffer = Buffer.alloc(bufferBytes, 'what a buffer had in it before');
  for (let count = readNext(buffer); count > 0; count = readNext(buffer)) yield buffer.subarray(0, count);
}

function digestOfChunks(chunks: Iterable<Buffer>): string {
  const running = createHash('sha256');
  for (const chunk of chunks) running.update(chunk);
  return running.digest('hex');
}

function sha256(path: string): string {
  return createHash('sha256').update(readFileSync(path)).digest('hex');
}

/** What this process asked of read(2) until now. */
function bytesRead(): number {
  return Number(/^rchar: (\d+)/.exec(readFileSync('/proc/self/io', 'latin1'))?.[1]);
}

it.each([
  ['nothing', new Map()],
  ['bytes at its start', new Map([[0, 'start']])],
  ['bytes at its end', new Map([[5 * MIB - 3, 'end']])],
  [
    'bytes here and there',
    new Map([
      [700_001, 'one'],
      [2 * MIB, 'two'.repeat(100_000)],
      [4 * MIB + 17, 'three'],
    ]),
  ],
])('a sparse file that has %s in it is what any reader finds', (_what, texts) => {
  const path = sparseFile(5 * MIB, texts);
  for (const bufferBytes of [1000, 3 * MIB, 8 * MIB])
    expect(digestOfChunks(chunksOf(path, 5 * MIB, bufferBytes))).toBe(sha256(path));
});

it('holes are not read', () => {
  const size = 512 * MIB;
  const path = sparseFile(size, new Map([[size / 2, 'x']]));
  const before = bytesRead();
  let total = 0;
  for (const chunk of chunksOf(path, size, 5 * MIB)) total += chunk.length;
  expect(total).toBe(size);
  expect(bytesRead() - before).toBeLessThan(4 * MIB);
});

it('a sparse file that is cut off while it is read ends there', () => {
  const path = sparseFile(8 * MIB, new Map([[6 * MIB, 'behind the cut']]));
  const chunks = chunksOf(path, 8 * MIB, MIB);
  chunks.next();
  truncateSync(path, 4 * MIB);
  let total = MIB;
  for (const chunk of chunks) total += chunk.length;
  // The hole that was found before the cut was one, and the file's size and time tell its reader of it.
  expect(total).toBeLessThan(8 * MIB);
});

it('a file without holes is read as it is', () => {
  const path = `${temporaryFolder('reader')}/dense`;
  writeFileSync(path, Buffer.alloc(3 * MIB, 'bytes '));
  expect(digestOfChunks(chunksOf(path, 3 * MIB, 1000))).toBe(sha256(path));
});
