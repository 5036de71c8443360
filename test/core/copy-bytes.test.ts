import {
  chmodSync,
  closeSync,
  fstatSync,
  ftruncateSync,
  openSync,
  readFileSync,
  statSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { beforeEach, describe, expect, it, onTestFinished } from 'vitest';
import { copyBytes } from '../../src/core/copy-bytes.ts';
import { temporaryFolder } from '../rig/temporary-folder.ts';

const MIB = 1024 * 1024;

let folder: string;
beforeEach(() => {
  folder = temporaryFolder('copy');
});

/** A new file, open for writing. */
function emptyFile(mode: number): number {
  const file = openSync(`${folder}/copy`, 'wx', mode);
  onTestFinished(() => closeSync(file));
  return file;
}

/** A file of 24 MiB that is all holes but for the texts at their offsets. */
function writeSparse(texts: ReadonlyMap<number, string>): void {
  const file = openSync(`${folder}/file`, 'wx', 0o755);
  for (const [offset, text] of texts) writeSync(file, text, offset);
  ftruncateSync(file, 24 * MIB);
  closeSync(file);
}

describe('the copy of a file', () => {
  it('has its bytes, and the mode that it was made with', () => {
    writeFileSync(`${folder}/file`, Buffer.alloc(3 * MIB, 'bytes '));
    chmodSync(`${folder}/file`, 0o755);
    const copy = emptyFile(0o600);
    copyBytes(`${folder}/file`, copy);
    expect(readFileSync(`${folder}/copy`).equals(readFileSync(`${folder}/file`))).toBe(true);
    expect(fstatSync(copy).mode & 0o777).toBe(0o600);
  });

  it.each([
    ['nowhere', new Map<number, string>()],
    ['at its start', new Map([[0, 'start'.repeat(500_000)]])],
    ['at its end', new Map([[24 * MIB - 3, 'end']])],
    [
      'here and there',
      new Map([
        [5 * MIB + 7, 'one'],
        [11 * MIB, 'two'.repeat(600_000)],
      ]),
    ],
  ])('has holes where the file has them: bytes %s', (_where, texts) => {
    writeSparse(texts);
    const copy = emptyFile(0o600);
    copyBytes(`${folder}/file`, copy);
    expect(readFileSync(`${folder}/copy`).equals(readFileSync(`${folder}/file`))).toBe(true);
    expect(fstatSync(copy).mode & 0o777).toBe(0o600);
    expect(statSync(`${folder}/copy`).blocks).toBeLessThan((8 * MIB) / 512);
  });
});
