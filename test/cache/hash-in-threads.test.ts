import { createHash } from 'node:crypto';
import { mkdtempSync, rmSync, symlinkSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createContentDigester } from '../../cache/content-digest.ts';
import { hashInThreads, threadsPay } from '../../cache/hash-in-threads.ts';
import { openFolderTree } from '../../src/context/folder-tree.ts';
import { type BytePath, toBytePath } from '../../src/core/byte-path.ts';
import { digestAt } from '../../src/core/folder-state.ts';
import { compileIgnorePatterns } from '../../src/core/ignore-patterns.ts';

const ROOT = '/' as BytePath;
const { signal } = new AbortController();

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(`${tmpdir()}/slipway-threads-`);
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

function write(count: number): void {
  for (let index = 0; index < count; index++) writeFileSync(`${folder}/f${index}`, textOf(`f${index}`));
}

function textOf(name: string): string {
  return `${name}\n`.repeat(name.length * 100);
}

function sha256(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}

/** All files of the folder as they are now, none of them read. */
function seen() {
  using tree = openFolderTree(toBytePath(folder), compileIgnorePatterns([], '.dockerignore'));
  const state = tree.folderState?.(ROOT);
  if (state === undefined) throw new Error('a folder has a state');
  return { folder: toBytePath(folder), state, positions: [...state.names.keys()] };
}

describe('files that are read by several threads', () => {
  it('have the digests of their bytes, and are known to have no extended attributes', async () => {
    write(600);
    const files = seen();
    await hashInThreads([files], signal);
    for (const [index, name] of files.state.names.entries())
      expect(digestAt(files.state, index)).toBe(sha256(textOf(name)));
    expect([...new Set(files.state.plain)]).toEqual([1]);
  });

  it('are left unknown where they are not what they were, and no symlink is followed', async () => {
    write(5);
    writeFileSync(`${folder}/secret`, textOf('f1'));
    const files = seen();
    truncateSync(`${folder}/f0`, 3);
    rmSync(`${folder}/f1`);
    symlinkSync('secret', `${folder}/f1`);
    rmSync(`${folder}/f2`);
    await hashInThreads([files], signal);
    const known = files.state.names.filter((_name, index) => digestAt(files.state, index) !== undefined);
    expect(known).toEqual(['f3', 'f4', 'secret']);
  });

  it('are no longer read when the signal says so', async () => {
    write(5);
    await expect(hashInThreads([seen()], AbortSignal.abort(new Error('enough')))).rejects.toThrow('enough');
  });

  it('are many, or large: a thread has to pay for its start', () => {
    write(10);
    const few = seen();
    expect(threadsPay([])).toBe(false);
    expect(threadsPay([few])).toBe(false);
    expect(threadsPay(Array.from({ length: 1000 }, () => few))).toBe(true);
    truncateSync(`${folder}/f0`, 64 * 1024 * 1024);
    expect(threadsPay([seen()])).toBe(true);
  });

  it('give a context the digest that it has anyway', async () => {
    write(3100);
    const nothing = { flush: () => {}, get: () => undefined, set: () => {}, lookup: () => undefined, note: () => {} };
    using tree = openFolderTree(toBytePath(folder), compileIgnorePatterns([], '.dockerignore'));
    const read: string[] = [];
    const entries = {
      lstat: (path: BytePath) => tree.lstat(path),
      readdir: (path: BytePath) => tree.readdir(path),
      contentPath: (path: BytePath) => {
        read.push(path);
        return tree.contentPath(path);
      },
    };
    const states = { ...entries, folderState: (path: BytePath) => tree.folderState?.(path) };
    const digest = createContentDigester({ files: nothing, folders: nothing });
    const byThreads = await digest(states, { roots: [{ path: ROOT }] }, signal);
    expect([...new Set(read)]).toEqual(['/']);
    const oneByOne = await digest(entries, { roots: [{ path: ROOT }] }, signal);
    expect(read.length).toBeGreaterThan(3100);
    expect(oneByOne.digest).toBe(byThreads.digest);
  });
});
