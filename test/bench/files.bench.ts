/**
 * Times of reading a build context, against what the machine can do at all: `find` for the names, `find -printf` for what lstat(2) says, and
 * `sha256sum` for the bytes of the same files. Run with `node test/bench/files.bench.ts [FOLDER]`; without a folder 50,000 files
 * of 3 kB are made. The best of three runs counts.
 */
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { setTimeout } from 'node:timers/promises';
import { createContentDigester } from '../../cache/content-digest.ts';
import { openFileDigests } from '../../cache/file-digests.ts';
import { openFolderDigests } from '../../cache/folder-digests.ts';
import { openStore } from '../../cache/store.ts';
import { openFolderTree } from '../../src/context/folder-tree.ts';
import { type BytePath, toBytePath } from '../../src/core/byte-path.ts';
import type { FileTree } from '../../src/core/file-tree.ts';
import { compileIgnorePatterns } from '../../src/core/ignore-patterns.ts';

const FILES = 50_000;
const work = mkdtempSync(`${tmpdir()}/slipway-bench-`);
process.on('exit', () => rmSync(work, { recursive: true, force: true }));
const folder = process.argv[2] ?? madeFiles(`${work}/files`);
// Younger files are not remembered.
await setTimeout(2500);

using store = openStore(`${work}/store`);
const { signal } = new AbortController();
const patterns = compileIgnorePatterns([], '.dockerignore');
const selection = { roots: [{ path: '/' as BytePath }] };

await best('find: names', () => sh('find "$1" > /dev/null'));
await best('find -printf: what lstat says', () => sh('find "$1" -printf "%s %T@ %C@ %i\\n" > /dev/null'));
await best('xargs sha256sum: bytes', () => sh('find "$1" -type f -print0 | xargs -0 sha256sum > /dev/null'));
await best('walk', () => withTree((tree) => void walk(tree, '/' as BytePath)));
await best('digest, everything read', () =>
  withTree(async (tree) => {
    store.database.statement('DELETE FROM folder_digests').run();
    await digester()(tree, selection, signal);
  }),
);
await best('digest, nothing changed', () =>
  withTree(async (tree) => {
    await digester()(tree, selection, signal);
  }),
);

function digester() {
  const { database } = store;
  return createContentDigester({ files: openFileDigests(database), folders: openFolderDigests(database) });
}

async function withTree(use: (tree: FileTree) => void | Promise<void>): Promise<void> {
  using tree = openFolderTree(toBytePath(folder), patterns);
  await use(tree);
}

function walk(tree: FileTree, path: BytePath): number {
  if (tree.lstat(path)?.type !== 'dir') return 1;
  const below = path === '/' ? '' : path;
  let count = 1;
  for (const name of tree.readdir(path)) count += walk(tree, `${below}/${name}` as BytePath);
  return count;
}

function sh(script: string): void {
  execFileSync('sh', ['-c', script, 'sh', folder]);
}

async function best(name: string, run: () => void | Promise<void>): Promise<void> {
  let fastest = Number.POSITIVE_INFINITY;
  for (let round = 0; round < 3; round++) {
    const start = performance.now();
    await run();
    fastest = Math.min(fastest, performance.now() - start);
  }
  console.log(`${name.padEnd(36)} ${fastest.toFixed(0).padStart(6)} ms`);
}

function madeFiles(root: string): string {
  for (let index = 0; index < FILES; index++) {
    const path = `${root}/d${index % 500}`;
    if (index < 500) mkdirSync(path, { recursive: true });
    writeFileSync(`${path}/f${index}.js`, `// file ${index}\n`.repeat(index % 400));
  }
  return root;
}
