import { readdirSync, statSync, truncateSync, writeFileSync } from 'node:fs';
import { afterEach, beforeEach, expect, it } from 'vitest';
import type { Compression, TreeEntry } from '../../../cache/layers/layer-store.ts';
import { type BytePath, toBytePath } from '../../../src/core/byte-path.ts';
import { type LayerRig, openLayerRig } from '../../rig/layers.ts';

const GIB = 1024 ** 3;

let rig: LayerRig;
beforeEach(() => {
  rig = openLayerRig();
});
afterEach(() => rig[Symbol.dispose]());

/** A file of which to hash all zeros takes half a minute, and to write them fills a disk. */
function enormousFile(): TreeEntry {
  const path = `${rig.folder}/enormous`;
  writeFileSync(path, '');
  truncateSync(path, 64 * GIB);
  const { size, mtimeMs } = statSync(path);
  const file = { type: 'file', mode: 0o644, uid: 0, gid: 0, size, mtime: 1_600_000_000 } as const;
  return {
    path: '/enormous' as BytePath,
    change: { kind: 'present', file, content: { kind: 'host', path: toBytePath(path), mtimeMs } },
  };
}

it.each<Compression['type']>(['gzip', 'zstd', 'estargz', 'uncompressed'])(
  'a blob (%s) that nobody needs any more is given up in the middle of a file, while timers run',
  async (type) => {
    const layer = rig.layers.addTree([enormousFile()]);
    const ending = new AbortController();
    const reason = new Error('another step failed');
    setTimeout(() => ending.abort(reason), 5);
    await expect(rig.layers.blob(layer, { type }, { signal: ending.signal })).rejects.toBe(reason);
    const left = readdirSync(`${rig.folder}/store`, { recursive: true, withFileTypes: true });
    expect(left.filter((file) => file.isFile() && file.parentPath !== `${rig.folder}/store`)).toEqual([]);
  },
);
