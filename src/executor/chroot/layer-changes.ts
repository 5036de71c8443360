import { rmSync } from 'node:fs';
import { type BytePath, hostPath, toBytePath } from '../../core/byte-path.ts';
import { makeDeviceNode, REMOVAL } from '../../core/layer-marks.ts';
import { syscalls } from '../../core/syscalls.ts';
import type { OverlayXattrs } from '../overlay.ts';
import { copyFolder, FileCopier, setFileTimes } from './copy-files.ts';
import { childOf, LayerMarks, namesIn } from './layer-stack.ts';
import { parentOf, type RootChanges, type RootState } from './root-state.ts';

/** Does to the tree at `root` what the layer in `folder` says: what it removes and hides goes, what it has comes. */
export function applyLayer(folder: string, root: BytePath, xattrs: OverlayXattrs): void {
  const marks = new LayerMarks(xattrs);
  const copier = new FileCopier();
  const visit = (from: BytePath, to: BytePath): void => {
    for (const name of namesIn(from)) {
      const [host, target] = [childOf(from, name), childOf(to, name)];
      const file = marks.read(host);
      if (file === undefined) throw new Error(`internal: ${host} vanished from a layer`);
      const isFolder = file !== 'removed' && file.stat.type === 'dir';
      if (!isFolder || syscalls().lstat(target)?.type !== 'dir' || marks.isOpaque(host)) removeTree(target);
      if (file === 'removed') continue;
      if (!isFolder) {
        copier.copy(file, target);
        continue;
      }
      copyFolder(copier, file, target);
      visit(host, target);
      setFileTimes(target, file.stat);
    }
  };
  visit(toBytePath(folder), root);
}

/** Where a layer is written, and from what. */
export interface RecordedLayer {
  readonly root: BytePath;
  /** Of the root, as it is. */
  readonly state: RootState;
  readonly upperDir: string;
  readonly xattrs: OverlayXattrs;
}

/**
 * Writes changes of a root as overlayfs would have left them in `upperDir`: what changed, with the folders above it; a mark for what is gone;
 * folders that replaced something are opaque. Sockets are no part of a layer.
 */
export function recordChanges(changes: RootChanges, { root, state, upperDir, xattrs }: RecordedLayer): void {
  const upper = toBytePath(upperDir);
  const wanted = withParents(changes);
  const copier = new FileCopier();
  const folders: BytePath[] = [];
  for (const [path, stat] of state.files) {
    if (!wanted.has(path)) continue;
    const file = { host: `${root}${path}` as BytePath, stat };
    const target = `${upper}${path}` as BytePath;
    if (stat.type !== 'dir') {
      removeTree(target);
      copier.copy(file, target);
      continue;
    }
    copyFolder(copier, file, target);
    folders.push(path);
    if (changes.replaced.has(path)) syscalls().setXattr(target, `${xattrs}.overlay.opaque`, Buffer.from('y'));
  }
  for (const path of changes.removed) makeDeviceNode(`${upper}${path}` as BytePath, REMOVAL);
  // After everything is in them: writing into a folder changes its time.
  for (const path of folders.toReversed()) {
    const stat = state.files.get(path);
    if (stat !== undefined) setFileTimes(`${upper}${path}` as BytePath, stat);
  }
}

/** Removes whatever lies at the path, and never what a symlink there names. */
export function removeTree(path: BytePath): void {
  rmSync(hostPath(path), { recursive: true, force: true });
}

function withParents({ changed, removed }: RootChanges): Set<BytePath> {
  const wanted = new Set(changed);
  for (const path of [...changed, ...removed]) {
    for (let parent = parentOf(path); parent !== '/' && !wanted.has(parent); parent = parentOf(parent))
      wanted.add(parent);
  }
  return wanted;
}
