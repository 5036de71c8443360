import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { ContentStore } from '../../cache/content/content-store.ts';
import { openContentStore } from '../../cache/content/file-content-store.ts';
import { createLayerStore } from '../../cache/layers/create-layer-store.ts';
import type { LayerId, LayerStore, TreeEntry } from '../../cache/layers/layer-store.ts';
import { openLeases } from '../../cache/leases.ts';
import { openStore } from '../../cache/store.ts';
import { type BytePath, toBytePath } from '../../src/core/byte-path.ts';
import type { FileEntry } from '../../src/core/file-tree.ts';

/** A store in a temporary folder. */
export interface LayerRig extends Disposable {
  /** For outputs of the test; removed with the store. */
  readonly folder: string;
  readonly content: ContentStore;
  readonly layers: LayerStore;
}

export function openLayerRig(): LayerRig {
  const folder = mkdtempSync(join(tmpdir(), 'slipway-test-'));
  const store = openStore(join(folder, 'store'));
  const content = openContentStore(store);
  const leases = openLeases(store.database);
  return {
    folder,
    content,
    layers: createLayerStore({ store, content, leases }),
    [Symbol.dispose]: () => {
      store[Symbol.dispose]();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

/** What a test says of a file: its text, a folder, a symlink, a second name, a fifo, or that it is removed. */
export type TestEntry =
  | { readonly text: string; readonly mode?: number; readonly mtime?: number; readonly link?: string }
  | { readonly folder: true; readonly mode?: number }
  | { readonly symlink: string }
  | { readonly hardLinkTo: string; readonly text: string; readonly link: string }
  | { readonly fifo: true }
  | { readonly removed: true };

/** A layer of these files; parents have to be named before what is in them. */
export function addLayer(layers: LayerStore, files: Readonly<Record<string, TestEntry>>): LayerId {
  return layers.addTree(Object.entries(files).map(([path, file]) => treeEntry(toBytePath(path), file)));
}

const MTIME = 1_600_000_000;

function treeEntry(path: BytePath, file: TestEntry): TreeEntry {
  if ('removed' in file) return { path, change: { kind: 'removed' } };
  const common = { uid: 0, gid: 0, size: 0, mtime: MTIME };
  const present = (entry: FileEntry, more: object = {}): TreeEntry => ({
    path,
    change: { kind: 'present', file: entry, ...more },
  });
  if ('folder' in file) return present({ ...common, type: 'dir', mode: file.mode ?? 0o755 });
  if ('symlink' in file) return present({ ...common, type: 'symlink', mode: 0o777, target: toBytePath(file.symlink) });
  if ('fifo' in file) return present({ ...common, type: 'fifo', mode: 0o600 });
  const bytes = Buffer.from(file.text);
  const entry: FileEntry = { ...common, type: 'file', mode: 0o644, size: bytes.length };
  const content = { content: { kind: 'bytes', bytes } };
  if ('hardLinkTo' in file) return present({ ...entry, link: file.link }, { hardLinkTo: toBytePath(file.hardLinkTo) });
  const { mode = 0o644, mtime = MTIME, link } = file;
  return present({ ...entry, mode, mtime, ...(link === undefined ? {} : { link }) }, content);
}
