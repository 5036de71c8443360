/**
 * Times of what layers are made and unpacked with, against GNU tar and gzip on the same files. Run with
 * `node test/bench/layers.bench.ts [FOLDER]`; without a folder 50,000 small files are made.
 */
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { openContentStore } from '../../cache/content/file-content-store.ts';
import { createLayerStore } from '../../cache/layers/create-layer-store.ts';
import { folderEntries } from '../../cache/layers/folder-entries.ts';
import { layerItems } from '../../cache/layers/layer-items.ts';
import { openLeases } from '../../cache/leases.ts';
import { openStore } from '../../cache/store.ts';
import { writeTar } from '../../cache/tar/tar-writer.ts';

const FILES = 50_000;
const work = mkdtempSync(`${tmpdir()}/slipway-bench-`);
process.on('exit', () => rmSync(work, { recursive: true, force: true }));
const folder = process.argv[2] ?? madeFiles(`${work}/files`);

using store = openStore(`${work}/store`);
const content = openContentStore(store);
const layers = createLayerStore({ store, content, leases: openLeases(store.database) });
const { signal } = new AbortController();
const noTraits = { opaque: false, opaqueRoot: false, xattrs: false, placeholders: false };

const entries = await time('list entries', () =>
  folderEntries({ path: folder, traits: noTraits }, () => 'trusted.overlay.'),
);
const chunk = Buffer.allocUnsafeSlow(1024 * 1024);
let tarBytes = 0;
await time('tar, without compression', () => {
  for (const bytes of writeTar(layerItems(entries, undefined), { allocate: () => chunk })) tarBytes += bytes.length;
});
console.log(`${entries.length} entries, ${(tarBytes / 1e6).toFixed(1)} MB of tar`);
const inMemory = entries.map(({ path, change }) =>
  change.kind === 'present' && change.file.type === 'file'
    ? { path, change: { ...change, content: { kind: 'bytes' as const, bytes: Buffer.alloc(change.file.size) } } }
    : { path, change },
);
const items = [...layerItems(inMemory, undefined)];
await time('tar of files in memory', () => {
  for (const bytes of writeTar(items, { allocate: () => chunk })) bytes.length;
});
const layer = layers.addTree(entries);
const gzip = await time('gzip blob', () => layers.blob(layer, { type: 'gzip' }, { signal }));
const zstd = await time('zstd blob', () => layers.blob(layers.addTree(entries), { type: 'zstd' }, { signal }));
const again = await time('gzip blob, members known', () =>
  layers.blob(layers.addTree(entries), { type: 'gzip' }, { signal }),
);
if (again.descriptor.digest !== gzip.descriptor.digest) throw new Error('two blobs of the same files differ');
const pulled = layers.addBlob(gzip.descriptor, gzip.diffId, { fetch: async () => {} });
const mounted = await time('unpack', () => layers.mount([pulled], signal));
mounted[Symbol.dispose]();
const copied = await time('tree to folder', () => layers.mount([layers.addTree(entries)], signal));
copied[Symbol.dispose]();

mkdirSync(`${work}/out`);
const sh = (script: string) => execFileSync('sh', ['-c', script, 'sh', folder, work]);
await time('GNU tar to /dev/null through cat', () => sh('tar -C "$1" -c . | cat > /dev/null'));
await time('GNU tar and gzip', () => sh('tar -C "$1" -c --sort=name . | gzip -n > "$2/gnu.tar.gz"'));
await time('GNU tar -xz', () => sh('tar -C "$2/out" -xzf "$2/gnu.tar.gz"'));
const one = statSync(`${work}/gnu.tar.gz`).size;
console.log(
  `gzip ${gzip.descriptor.size}, one stream ${one} (${((gzip.descriptor.size / one - 1) * 100).toFixed(2)} %), zstd ${zstd.descriptor.size}`,
);

async function time<T>(name: string, run: () => T | Promise<T>): Promise<T> {
  const start = performance.now();
  const result = await run();
  console.log(`${name.padEnd(36)} ${(performance.now() - start).toFixed(0).padStart(6)} ms`);
  return result;
}

/** Small texts of different sizes that compress about as source code does. */
function madeFiles(root: string): string {
  const words = Array.from({ length: 2000 }, (_, index) =>
    Math.imul(index + 1, 0x9e3779b1)
      .toString(36)
      .slice(-6),
  );
  let state = 1;
  const next = (below: number) => {
    state = (Math.imul(state, 1103515245) + 12345) & 0x7fffffff;
    return state % below;
  };
  for (let index = 0; index < FILES; index++) {
    const path = `${root}/d${index % 500}`;
    if (index < 500) mkdirSync(path, { recursive: true });
    writeFileSync(
      `${path}/f${index}.js`,
      Array.from({ length: 20 + next(800) }, () => words[next(words.length)]).join(' '),
    );
  }
  return root;
}
