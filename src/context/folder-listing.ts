import { type Dirent, readdirSync, statfsSync } from 'node:fs';
import type { BytePath } from '../core/byte-path.ts';
import { errnoOf } from '../core/errors.ts';
import { RACY_WINDOW } from '../core/folder-state.ts';
import { ctimeAt, STAMP, type Stamps } from '../core/host-stamp.ts';
import type { IgnoreMatch, IgnorePatterns } from '../core/ignore-patterns.ts';
import { unreadable } from './unreadable-file.ts';

/**
 * Filesystems (linux/magic.h) whose folders get another time with every name that comes or goes. Others may not be told by this
 * machine what changes (network filesystems, FUSE), or forget their folders' times (FAT).
 */
const KEEPING_TIMES: ReadonlySet<number> = new Set([
  0xef53, // ext2, ext3, ext4
  0x58465342, // XFS
  0x9123683e, // Btrfs
  0x01021994, // tmpfs
  0x794c7630, // overlayfs
  0xf2f52010, // F2FS
  0x2fc12fc1, // ZFS
  0xca451a4e, // bcachefs
]);

/** Gives a descriptor of a folder of the tree, by its path in it; undefined where it is not there. */
export type OpenFolder = (folder: BytePath) => number | undefined;

/** Which names a context shows of its folders: without what the ignore patterns exclude, and without sockets. */
export class FolderListing {
  readonly #ignore: IgnorePatterns;
  readonly #open: OpenFolder;
  /** Of folders. */
  readonly #matches = new Map<string, IgnoreMatch>();
  /** Of excluded folders, whether something in them was taken back in. */
  readonly #exceptions = new Map<BytePath, boolean>();
  /** By device number, whether the filesystem keeps folders' times. */
  readonly #filesystems = new Map<number, boolean>();

  constructor(ignore: IgnorePatterns, open: OpenFolder) {
    this.#ignore = ignore;
    this.#open = open;
  }

  /** Names in a folder, sorted by bytes. `SLIPWAY_CONTEXT_UNREADABLE` for one that this user may not read. */
  names(folder: BytePath): readonly BytePath[] {
    const names: BytePath[] = [];
    const prefix = folder === '/' ? '/' : `${folder}/`;
    for (const found of this.#read(folder)) {
      const name = found.name as BytePath;
      if (!found.isSocket() && !this.isLeftOut(`${prefix}${name}` as BytePath, found.isDirectory())) names.push(name);
    }
    return names.sort();
  }

  /**
   * What tells that `names` would say the same again: the folder's stamp from before its names were read, and what is left out of it. Empty
   * where that is not certain: where the folder was changed just before `seenAt`, or what is in the folders below decides.
   */
  mark(folder: BytePath, stamp: Stamps, seenAt: number): string {
    if (this.#ignore.hasExceptions || ctimeAt(stamp, 0) > seenAt - RACY_WINDOW) return '';
    if (!this.#keepsTimes(folder, stamp[STAMP.dev] ?? 0)) return '';
    return this.#ignore.isEmpty ? stamp.join(' ') : `${stamp.join(' ')} ${this.#ignore.identity} ${folder}`;
  }

  /** An excluded folder stays where something in it was taken back in. */
  isLeftOut(path: BytePath, isFolder: boolean): boolean {
    if (this.#ignore.isEmpty) return false;
    const relative = path.slice(1) as BytePath;
    const match = this.#match(relative, isFolder);
    if (!match.isExcluded) return false;
    if (!isFolder || !this.#ignore.hasExceptions || !this.#ignore.mayIncludeBelow(relative)) return true;
    return !this.#hasIncluded(path);
  }

  #keepsTimes(folder: BytePath, dev: number): boolean {
    let known = this.#filesystems.get(dev);
    if (known === undefined) {
      const descriptor = this.#open(folder);
      known = descriptor !== undefined && KEEPING_TIMES.has(statfsSync(`/proc/self/fd/${descriptor}`).type);
      this.#filesystems.set(dev, known);
    }
    return known;
  }

  #read(folder: BytePath): Dirent[] {
    const descriptor = this.#open(folder);
    if (descriptor === undefined) return [];
    try {
      const options = { withFileTypes: true, encoding: 'latin1' } as const;
      return readdirSync(`/proc/self/fd/${descriptor}/`, options);
    } catch (error) {
      if (errnoOf(error) === 'ENOENT' || errnoOf(error) === 'ENOTDIR') return [];
      throw unreadable(folder, error);
    }
  }

  #hasIncluded(folder: BytePath): boolean {
    let isFound = this.#exceptions.get(folder);
    if (isFound === undefined) {
      isFound = this.#findIncluded(folder);
      this.#exceptions.set(folder, isFound);
    }
    return isFound;
  }

  #findIncluded(folder: BytePath): boolean {
    for (const found of this.#read(folder)) {
      const path = `${folder}/${found.name}` as BytePath;
      if (!found.isSocket() && !this.isLeftOut(path, found.isDirectory())) return true;
    }
    return false;
  }

  #match(relative: BytePath, isFolder: boolean): IgnoreMatch {
    const known = this.#matches.get(relative);
    if (known !== undefined) return known;
    const slash = relative.lastIndexOf('/');
    const folder = slash < 0 ? undefined : this.#match(relative.slice(0, slash) as BytePath, true);
    const match = this.#ignore.match(relative, folder);
    if (isFolder) this.#matches.set(relative, match);
    return match;
  }
}
