import { closeSync, constants, openSync, readlinkSync } from 'node:fs';
import { type BytePath, displayPath, hostPath } from '../core/byte-path.ts';
import { errnoOf, SlipwayError } from '../core/errors.ts';

/** linux/fcntl.h: a descriptor that only says where it is. It needs no right to read the folder. */
const O_PATH = 0o10000000;
const FLAGS = O_PATH | constants.O_DIRECTORY | constants.O_NOFOLLOW;
/** A walk goes down and comes up again. */
const KEPT = 16;

/**
 * Folders of a tree by descriptor, so that a name is looked up in the very folder that it was found in, whatever its path leads to by now:
 * what somebody puts a symlink in the place of while the tree is read is noticed, and never read through.
 */
export class FolderDescriptors implements Disposable {
  readonly #root: BytePath;
  /** By path in the tree; the least lately used first. */
  readonly #open = new Map<BytePath, number>();
  /** The latest answer, because the files of a folder are asked about one after the other. */
  #latest: { readonly folder: BytePath; readonly descriptor: number } | undefined;

  /** `root` is absolute and has no symlinks. */
  constructor(root: BytePath) {
    this.#root = root;
  }

  /**
   * A descriptor of this folder, valid until the next call; undefined where it is not there any more. `SLIPWAY_CONTEXT_CHANGED` where
   * its path leads to another place than when the tree was opened.
   */
  of(folder: BytePath): number | undefined {
    if (this.#latest?.folder === folder) return this.#latest.descriptor;
    let descriptor = this.#open.get(folder);
    if (descriptor === undefined) {
      descriptor = this.#enter(folder);
      if (descriptor === undefined) return undefined;
    } else this.#open.delete(folder);
    this.#open.set(folder, descriptor);
    this.#forgetOldest();
    this.#latest = { folder, descriptor };
    return descriptor;
  }

  [Symbol.dispose](): void {
    for (const descriptor of this.#open.values()) closeSync(descriptor);
    this.#open.clear();
    this.#latest = undefined;
  }

  #enter(folder: BytePath): number | undefined {
    const path = folder === '/' ? this.#root : (`${this.#root === '/' ? '' : this.#root}${folder}` as BytePath);
    let descriptor: number;
    try {
      descriptor = openSync(hostPath(path), FLAGS);
    } catch (error) {
      const errno = errnoOf(error);
      if (errno === 'ENOENT' || errno === 'ENOTDIR' || errno === 'ELOOP' || errno === 'ENAMETOOLONG') return undefined;
      throw error;
    }
    // Asked of the descriptor, so that it is true of what was opened.
    if (readlinkSync(`/proc/self/fd/${descriptor}`, { encoding: 'latin1' }) === path) return descriptor;
    closeSync(descriptor);
    throw new SlipwayError(
      'SLIPWAY_CONTEXT_CHANGED',
      `the folder ${displayPath(path)} changed while the build was reading it: its path leads elsewhere now`,
      { hint: 'build again once nothing writes to the context' },
    );
  }

  #forgetOldest(): void {
    if (this.#open.size <= KEPT) return;
    for (const [folder, descriptor] of this.#open) {
      closeSync(descriptor);
      this.#open.delete(folder);
      return;
    }
  }
}
