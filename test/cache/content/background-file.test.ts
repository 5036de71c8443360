import { closeSync, mkdtempSync, openSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { backgroundFile } from '../../../cache/content/background-file.ts';

let folder: string;
let file: number | undefined;
beforeEach(() => {
  folder = mkdtempSync(`${tmpdir()}/slipway-background-`);
});
afterEach(() => {
  if (file !== undefined) closeSync(file);
  file = undefined;
  rmSync(folder, { recursive: true, force: true });
});

describe('a file that is written in the background', () => {
  it('has all bytes in the order in which they came', async () => {
    file = openSync(`${folder}/file`, 'wx');
    const background = backgroundFile(file);
    const pieces = Array.from({ length: 5000 }, (_, index) => Buffer.from(`${index} `.repeat(index % 300)));
    for (const piece of pieces) void background.append(piece);
    await background.flush();
    expect(readFileSync(`${folder}/file`).equals(Buffer.concat(pieces))).toBe(true);
    await background.append(Buffer.from('more'));
    await background.flush();
    expect(readFileSync(`${folder}/file`, 'latin1').endsWith('more')).toBe(true);
  });

  it('makes a caller that is far ahead wait', async () => {
    file = openSync(`${folder}/file`, 'wx');
    const background = backgroundFile(file);
    const piece = Buffer.alloc(3 * 1024 * 1024);
    const settled: number[] = [];
    const appended = [1, 2, 3, 4, 5].map((number) => background.append(piece).then(() => settled.push(number)));
    await Promise.resolve();
    expect(settled.length).toBeLessThan(5);
    await Promise.all(appended);
    expect(readFileSync(`${folder}/file`)).toHaveLength(5 * piece.length);
  });

  it('says what could not be written, whenever it is asked after that', async () => {
    file = openSync('/dev/full', 'w');
    const background = backgroundFile(file);
    await background.append(Buffer.from('bytes'));
    for (const _time of [1, 2]) await expect(background.flush()).rejects.toMatchObject({ code: 'ENOSPC' });
    await expect(background.append(Buffer.alloc(9 * 1024 * 1024))).rejects.toMatchObject({ code: 'ENOSPC' });
  });
});
