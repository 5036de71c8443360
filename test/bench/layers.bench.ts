/**
 * What layers are made and unpacked with, against what the machine can do at all: coreutils, GNU tar, gzip and zstd on the same
 * bytes. Run with `node test/bench/layers.bench.ts [FOLDER]`; without a folder 50,000 small files, then four of 80 MB are made.
 * `$TMPDIR` says on which disk. The best of three runs counts: milliseconds, and the ratio to the tool.
 */
import { execFileSync } from 'node:child_process';
import { closeSync, mkdirSync, mkdtempSync, openSync, readSync, rmSync, statSync } from 'node:fs';
import { availableParallelism, tmpdir } from 'node:os';
import { openContentStore } from '../../cache/content/file-content-store.ts';
import { createLayerStore } from '../../cache/layers/create-layer-store.ts';
import { folderEntries } from '../../cache/layers/folder-entries.ts';
import type { LayerFolderOptions } from '../../cache/layers/layer-folder-writer.ts';
import { layerItems } from '../../cache/layers/layer-items.ts';
import type { TreeEntry } from '../../cache/layers/layer-store.ts';
import { unpackLayer } from '../../cache/layers/unpack-layer.ts';
import { writeTree } from '../../cache/layers/write-tree.ts';
import { openLeases } from '../../cache/leases.ts';
import { openStore } from '../../cache/store.ts';
import { writeTar } from '../../cache/tar/tar-writer.ts';
import { type DiffID, startDigest } from '../../src/core/digest.ts';
import { writeLargeFiles, writeSourceFiles } from './source-files.ts';

const RUNS = 3;
const NO_TRAITS = { opaque: false, opaqueRoot: false, xattrs: false, placeholders: false };
const { signal } = new AbortController();
const work = mkdtempSync(`${tmpdir()}/slipway-bench-`);
process.on('exit', () => rmSync(work, { recursive: true, force: true }));

const [given] = process.argv.slice(2);
if (given === undefined) {
  writeSourceFiles(`${work}/files`, 50_000);
  await measure('50,000 files of 3 kB', `${work}/files`);
  rmSync(`${work}/files`, { recursive: true });
  writeLargeFiles(`${work}/files`, 4, 80);
  await measure('four files of 80 MB', `${work}/files`);
} else {
  await measure(given, given);
}

async function measure(title: string, folder: string): Promise<void> {
  console.log(`\n${title.padEnd(36)}    slipway      tool   ratio`);
  const sh = (script: string) => () => void execFileSync('sh', ['-c', script, 'sh', folder, work]);
  const clean = sh('rm -rf "$2/out"');

  const list = () => [...folderEntries({ path: folder, traits: NO_TRAITS }, () => 'trusted.overlay.')];
  const entries = await compare('list: find -printf', list, sh('find "$1" -printf "%s %T@ %m %U %G\\n" > /dev/null'));
  await compare('tar: GNU tar', () => tarOf(entries), sh('tar -C "$1" -c --sort=name . | cat > /dev/null'));
  sh('tar -C "$1" -c --sort=name . > "$2/all.tar"')();
  const all = `${work}/all.tar`;
  const diffId = await compare('hash the tar: sha256sum', () => hashOf(all), sh('sha256sum "$2/all.tar" > /dev/null'));

  const blob = (type: 'gzip' | 'zstd') => () => sizeOfBlob(entries, type);
  const gzip = await compare('tar and gzip', blob('gzip'), sh('tar -C "$1" -c . | gzip -n > "$2/all.tar.gz"'));
  const zstd = await compare('tar and zstd', blob('zstd'), sh('tar -C "$1" -c . | zstd -qfT0 -o "$2/all.tar.zst"'));
  sh('gzip -nkf "$2/all.tar" && zstd -qfT0 "$2/all.tar"')();

  for (const suffix of ['.gz', '.zst', ''])
    await compare(
      `unpack .tar${suffix}, verified: GNU tar`,
      () => unpackLayer({ path: `${all}${suffix}`, diffId }, newFolder(), signal),
      sh(`mkdir "$2/out" && tar -C "$2/out" -xf "$2/all.tar${suffix}"`),
      clean,
    );
  await compare(
    'copy as a folder: cp -a',
    () => writeTree(entries, newFolder(), signal),
    sh('cp -a "$1" "$2/out"'),
    clean,
  );

  const larger = (size: number, suffix: string) =>
    `${((size / statSync(`${all}${suffix}`).size - 1) * 100).toFixed(1)} %`;
  console.log(
    `gzip ${larger(gzip, '.gz')} larger than one stream, zstd ${larger(zstd, '.zst')}; ${availableParallelism()} cores`,
  );
}

/** Times both, prints a line, and gives what ours gave. `clean` runs after each, and is not timed. */
async function compare<T>(name: string, ours: () => T | Promise<T>, tool: () => void, clean = () => {}): Promise<T> {
  const best = { slipway: Number.POSITIVE_INFINITY, tool: Number.POSITIVE_INFINITY };
  const timed = async <R>(whose: 'slipway' | 'tool', run: () => R | Promise<R>): Promise<R> => {
    const start = performance.now();
    const result = await run();
    best[whose] = Math.min(best[whose], performance.now() - start);
    clean();
    return result;
  };
  let result = await timed('slipway', ours);
  await timed('tool', tool);
  for (let run = 1; run < RUNS; run++) {
    result = await timed('slipway', ours);
    await timed('tool', tool);
  }
  const milliseconds = (time: number) => `${time.toFixed(0)} ms`.padStart(10);
  console.log(
    `${name.padEnd(36)}${milliseconds(best.slipway)}${milliseconds(best.tool)}${(best.slipway / best.tool).toFixed(2).padStart(8)}`,
  );
  return result;
}

function tarOf(entries: readonly TreeEntry[]): void {
  const chunk = Buffer.allocUnsafeSlow(1024 * 1024);
  for (const bytes of writeTar(layerItems(entries, undefined), { allocate: () => chunk })) bytes.length;
}

function hashOf(path: string): DiffID {
  const chunk = Buffer.allocUnsafeSlow(1024 * 1024);
  const digest = startDigest();
  const file = openSync(path, 'r');
  for (let read = readSync(file, chunk); read > 0; read = readSync(file, chunk)) digest.update(chunk.subarray(0, read));
  closeSync(file);
  return digest.finish() as DiffID;
}

/** In a store that knows nothing yet. */
async function sizeOfBlob(entries: readonly TreeEntry[], type: 'gzip' | 'zstd'): Promise<number> {
  const root = mkdtempSync(`${work}/store-`);
  try {
    using store = openStore(root);
    const layers = createLayerStore({ store, content: openContentStore(store), leases: openLeases(store.database) });
    return (await layers.blob(layers.addTree(entries), { type }, { signal })).descriptor.size;
  } finally {
    rmSync(root, { recursive: true });
  }
}

function newFolder(): LayerFolderOptions {
  mkdirSync(`${work}/out`, { mode: 0o700 });
  return { root: `${work}/out`, prefix: 'trusted.overlay.', below: undefined };
}
