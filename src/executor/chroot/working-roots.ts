import { chmodSync, mkdirSync } from 'node:fs';
import { type BytePath, hostPath, toBytePath } from '../../core/byte-path.ts';
import { syscalls } from '../../core/syscalls.ts';
import type { OverlayXattrs } from '../overlay.ts';
import { copyFromStack } from './copy-files.ts';
import { applyLayer, removeTree } from './layer-changes.ts';
import { LayerStack } from './layer-stack.ts';
import type { RootState } from './root-state.ts';

/** A folder that a step is run in: a copy of what its layers make together. */
export interface WorkingRoot {
  readonly path: BytePath;
  /** The layers that it is made of, lowest first. */
  readonly layers: readonly LayerIdentity[];
  /** What it has in it, where somebody looked since it was last changed. */
  readonly state: RootState | undefined;
}

/** A layer's folder, under whatever name it lies. */
type LayerIdentity = string;

/** Roots that are kept for a next step: a stage's own, and another's that is built beside it. */
const IDLE_LIMIT = 2;

/**
 * The roots that steps without overlayfs run in. Copying a whole image is what such a step costs most, so the root of a step is kept, and a
 * next step on top of the same layers only gets the difference.
 */
export class WorkingRoots implements Disposable {
  readonly #folder: string;
  readonly #xattrs: OverlayXattrs;
  #idle: readonly WorkingRoot[] = [];
  #count = 0;

  /** `folder` is this process's own, and made when it is first needed. */
  constructor(folder: string, xattrs: OverlayXattrs) {
    this.#folder = folder;
    this.#xattrs = xattrs;
  }

  /** A root with exactly the files of the stack, lowest layer first. Whoever takes it keeps it with `keep` or removes it with `remove`. */
  take(lowerDirs: readonly string[]): WorkingRoot {
    const layers = lowerDirs.map(identityOf);
    const idle = this.#longestStart(layers);
    if (idle === undefined) return this.#make(lowerDirs, layers);
    this.#idle = this.#idle.filter((root) => root !== idle);
    const added = lowerDirs.slice(idle.layers.length);
    for (const folder of added) applyLayer(folder, idle.path, this.#xattrs);
    return added.length === 0 ? idle : { path: idle.path, layers, state: undefined };
  }

  /** Keeps a root after a step for the next: `upperDir` has what the step changed, `state` is the root's. */
  keep(root: WorkingRoot, upperDir: string, state: RootState): void {
    const layers = [...root.layers, identityOf(upperDir)];
    const idle = [...this.#idle, { path: root.path, layers, state }];
    for (const old of idle.slice(0, -IDLE_LIMIT)) this.remove(old);
    this.#idle = idle.slice(-IDLE_LIMIT);
  }

  remove({ path }: WorkingRoot): void {
    removeTree(path);
  }

  [Symbol.dispose](): void {
    for (const root of this.#idle) this.remove(root);
    this.#idle = [];
  }

  #make(lowerDirs: readonly string[], layers: readonly LayerIdentity[]): WorkingRoot {
    mkdirSync(this.#folder, { recursive: true, mode: 0o700 });
    const path = toBytePath(`${this.#folder}/root-${this.#count++}`);
    mkdirSync(hostPath(path));
    chmodSync(hostPath(path), 0o755);
    copyFromStack(new LayerStack(lowerDirs, this.#xattrs), '/' as BytePath, path);
    return { path, layers, state: undefined };
  }

  #longestStart(layers: readonly LayerIdentity[]): WorkingRoot | undefined {
    const starts = this.#idle.filter((root) => root.layers.every((layer, index) => layer === layers[index]));
    return starts.toSorted((a, b) => b.layers.length - a.layers.length)[0];
  }
}

/** By inode, because a layer's folder gets another name when the layer is committed; the time tells it from a later folder of that inode. */
function identityOf(folder: string): LayerIdentity {
  const stat = syscalls().lstat(toBytePath(folder));
  if (stat === undefined) throw new Error(`internal: the layer ${folder} vanished`);
  return `${stat.dev}:${stat.ino}:${stat.mtimeMs}`;
}
