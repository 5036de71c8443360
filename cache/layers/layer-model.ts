import { type BytePath, displayPath } from '../../src/core/byte-path.ts';
import { SlipwayError } from '../../src/core/errors.ts';
import type { FileEntry } from '../../src/core/file-tree.ts';

/** What a layer that is being written has at a path. */
export type LayerNode =
  | {
      readonly type: 'dir';
      readonly children: Map<string, LayerNode>;
      /** Undefined where the layer only has something below it so far. */
      file?: FileEntry;
      opaque: boolean;
    }
  | { readonly type: 'symlink'; readonly target: BytePath }
  | { readonly type: 'file' | 'other' | 'whiteout' };

export type FolderNode = LayerNode & { readonly type: 'dir' };

/** The layer so far. `makeFolder` makes on disk what is added to the model as a parent, and removes a whiteout that is in its place. */
export interface LayerModel {
  readonly root: FolderNode;
  makeFolder(path: BytePath, replaces: LayerNode | undefined): void;
}

/** Where an entry goes: its folder, its name there, and its path without symlinks. */
export interface LayerPlace {
  readonly parent: FolderNode;
  readonly name: string;
  readonly path: BytePath;
}

/** As the kernel (path_resolution(7)). */
const LINK_LIMIT = 40;

export function newFolderNode(): FolderNode {
  return { type: 'dir', children: new Map(), opaque: false };
}

/**
 * Finds the place of a clean absolute path other than the root. Symlinks of this layer in the middle are followed as a process chrooted
 * into it would. Folders that are not there are made (`make`), or the result is undefined (`look`).
 */
export function resolveParent(model: LayerModel, path: BytePath, missing: 'make' | 'look'): LayerPlace | undefined {
  const pending = path
    .split('/')
    .filter((name) => name !== '')
    .reverse();
  const last = pending[0];
  if (last === undefined) throw new Error('internal: the root has no parent');
  let folders: { node: FolderNode; path: string }[] = [{ node: model.root, path: '' }];
  let links = 0;
  while (pending.length > 1) {
    const name = pending.pop() as string;
    const here = folders.at(-1) ?? { node: model.root, path: '' };
    if (name === '' || name === '.') continue;
    if (name === '..') {
      if (folders.length > 1) folders.pop();
      continue;
    }
    const childPath = `${here.path}/${name}` as BytePath;
    let child = here.node.children.get(name);
    if (child === undefined || child.type === 'whiteout') {
      if (missing === 'look') return undefined;
      model.makeFolder(childPath, child);
      // Under a whiteout nothing of the layers below is left, and so the folder that replaces it hides them.
      const made: FolderNode = { ...newFolderNode(), opaque: child !== undefined };
      here.node.children.set(name, made);
      child = made;
    }
    if (child.type === 'dir') {
      folders.push({ node: child, path: childPath });
    } else if (child.type === 'symlink') {
      if (++links > LINK_LIMIT) throw invalid(path, `has more than ${LINK_LIMIT} symlinks on its way`);
      if (child.target.startsWith('/')) folders = [{ node: model.root, path: '' }];
      pending.push(...child.target.split('/').reverse());
    } else {
      throw invalid(path, `is below ${displayPath(childPath)}, which is no folder`);
    }
  }
  const parent = folders.at(-1) ?? { node: model.root, path: '' };
  return { parent: parent.node, name: last, path: `${parent.path}/${last}` as BytePath };
}

function invalid(path: BytePath, problem: string): SlipwayError {
  return new SlipwayError('SLIPWAY_LAYER_INVALID', `a layer's ${displayPath(path).slice(0, 200)} ${problem}`);
}
