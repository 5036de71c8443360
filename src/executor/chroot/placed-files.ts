import { closeSync, constants, fstatSync, mkdirSync, openSync, renameSync, rmdirSync } from 'node:fs';
import { type BytePath, hostPath, toBytePath } from '../../core/byte-path.ts';
import { errnoOf, SlipwayError } from '../../core/errors.ts';
import { resolvePath } from '../../core/file-tree.ts';
import type { HostStat } from '../../core/host-stat.ts';
import { syscalls } from '../../core/syscalls.ts';
import { rootView } from '../root-view.ts';
import { setFileTimes } from './copy-files.ts';
import { removeTree } from './layer-changes.ts';
import { parentOf, type RootState } from './root-state.ts';

/** Puts something at a path that does not exist; `covered` is what was there. */
export type MakePlaced = (host: BytePath, covered: HostStat | undefined) => void;

interface Place {
  readonly path: BytePath;
  /** Folders above it that were not there, topmost first. */
  readonly stubs: readonly BytePath[];
  /** Where that lies which was there before. */
  readonly aside: BytePath | undefined;
  /** Keeps the inode, so that no file of the step can get its number. Undefined for what cannot be opened. */
  readonly fd: number | undefined;
  /** Takes what the step left there, before it is removed. */
  readonly takeBack: ((host: BytePath) => void) | undefined;
}

/** A folder of the root in which places are: its state before, and when all places were made. */
interface Touched {
  readonly before: HostStat;
  after: HostStat;
}

const NOFOLLOW = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK;

/**
 * What lies in a step's root without being of it: in place of mounts. What a place covers is set aside meanwhile. When the step is over
 * everything of it is removed again, wherever the step moved or linked it to, and nothing else: neither the files nor the times of
 * the folders tell afterwards that it was there, unless the step itself wrote into them.
 */
export class PlacedFiles implements Disposable {
  readonly #root: BytePath;
  readonly #asideFolder: BytePath;
  readonly #places: Place[] = [];
  readonly #touched = new Map<BytePath, Touched>();
  readonly #inodes = new Set<string>();

  /** `asideFolder` is on the root's filesystem, and made here. */
  constructor(root: BytePath, asideFolder: BytePath) {
    this.#root = root;
    this.#asideFolder = asideFolder;
    mkdirSync(hostPath(asideFolder), { mode: 0o700 });
  }

  /** Where in the root `target` is, symlinks followed within it. `SLIPWAY_MOUNT_TARGET_INVALID` for the root itself or a loop. */
  resolve(target: string): BytePath {
    const path = resolvePath(rootView(hostName(this.#root)), toBytePath(target), 'follow');
    if (path !== undefined && path !== '/') return path;
    const found = path === undefined ? 'a loop of symlinks' : 'the root itself';
    throw new SlipwayError('SLIPWAY_MOUNT_TARGET_INVALID', `cannot mount on target ${target}: it is ${found}`);
  }

  /**
   * Covers what is at `target`. Returns where in the root that is. `SLIPWAY_MOUNT_TARGET_INVALID` as for `resolve`, and below a file.
   */
  place(target: string, make: MakePlaced, takeBack?: (host: BytePath) => void): BytePath {
    const path = this.resolve(target);
    const stubs = this.#makeParents(path, target);
    const host = this.#host(path);
    const parent = parentOf(path);
    if (stubs.length === 0) this.#touch(parent);
    const covered = syscalls().lstat(host);
    const aside = covered === undefined ? undefined : (`${this.#asideFolder}/${this.#places.length}` as BytePath);
    if (aside !== undefined) renameSync(hostPath(host), hostPath(aside));
    const place = { path, stubs, aside, takeBack };
    try {
      make(host, covered);
    } finally {
      this.#places.push({ ...place, fd: this.#holdInode(host) });
    }
    return path;
  }

  /** For when all places are made, and before the step starts. */
  ready(): void {
    for (const [path, touched] of this.#touched) touched.after = this.#stat(path) ?? touched.after;
  }

  /** What the step may not be recorded of: an inode that was placed. */
  isPlaced({ dev, ino }: HostStat): boolean {
    return this.#inodes.has(`${dev}:${ino}`);
  }

  /** Removes every place, the last first, and puts back what they covered. Folders that only this changed count in `before` as they are now. */
  removeAll(before: RootState): void {
    const left = new Map([...this.#touched.keys()].map((path) => [path, this.#stat(path)]));
    for (const place of this.#places.toReversed()) this.#remove(place, before);
    for (const [path, { before: old, after }] of this.#touched) {
      const [end, now] = [left.get(path), this.#stat(path)];
      // A folder of a place is gone with it, and one that the step put elsewhere is the step's.
      if (end?.ino !== after.ino || now?.ino !== after.ino || now.type !== 'dir') continue;
      const isUntouched = end.ctimeMs === after.ctimeMs;
      setFileTimes(this.#host(path), isUntouched ? old : end);
      const restored = this.#stat(path);
      if (isUntouched && restored !== undefined && before.files.has(path)) before.files.set(path, restored);
    }
    removeTree(this.#asideFolder);
  }

  /** For when nobody asks for `isPlaced` any more. */
  [Symbol.dispose](): void {
    for (const { fd } of this.#places) if (fd !== undefined) closeSync(fd);
  }

  #remove({ path, stubs, aside, takeBack }: Place, before: RootState): void {
    // Processes of the step are gone, so nothing changes between looking and doing.
    if (this.#isFolder(parentOf(path))) {
      const host = this.#host(path);
      const stat = syscalls().lstat(host);
      if (takeBack !== undefined && stat !== undefined && this.isPlaced(stat)) takeBack(host);
      removeTree(host);
      if (aside !== undefined) renameSync(hostPath(aside), hostPath(host));
      // Nobody could change it meanwhile, but moving it gave it another ctime.
      const restored = this.#stat(path);
      if (restored !== undefined && before.files.has(path)) before.files.set(path, restored);
    }
    for (const stub of stubs.toReversed()) if (this.#isFolder(stub)) removeIfEmpty(this.#host(stub));
  }

  #makeParents(path: BytePath, target: string): BytePath[] {
    const stubs: BytePath[] = [];
    const names = path.split('/').slice(1, -1);
    for (const index of names.keys()) {
      const parent = `/${names.slice(0, index + 1).join('/')}` as BytePath;
      const stat = this.#stat(parent);
      if (stat?.type === 'dir') continue;
      if (stat !== undefined) {
        throw new SlipwayError(
          'SLIPWAY_MOUNT_TARGET_INVALID',
          `cannot mount on target ${target}: it lies below a file`,
        );
      }
      if (stubs.length === 0) this.#touch(parentOf(parent));
      mkdirSync(hostPath(this.#host(parent)), { mode: 0o755 });
      stubs.push(parent);
    }
    return stubs;
  }

  #touch(folder: BytePath): void {
    const stat = this.#stat(folder);
    if (stat === undefined || this.#touched.has(folder)) return;
    this.#touched.set(folder, { before: stat, after: stat });
  }

  #holdInode(host: BytePath): number | undefined {
    const fd = openHeld(host);
    if (fd === undefined) return undefined;
    const { dev, ino } = syscalls().lstat(host) ?? fstatSync(fd);
    this.#inodes.add(`${dev}:${ino}`);
    return fd;
  }

  /** Whether the path is a folder, and so are all above it: a step may have put symlinks in their places. */
  #isFolder(path: BytePath): boolean {
    for (let at = path; at !== '/'; at = parentOf(at)) if (this.#stat(at)?.type !== 'dir') return false;
    return true;
  }

  #stat(path: BytePath): HostStat | undefined {
    try {
      return syscalls().lstat(this.#host(path));
    } catch (error) {
      if (errnoOf(error) === 'ENOTDIR') return undefined;
      throw error;
    }
  }

  #host(path: BytePath): BytePath {
    return path === '/' ? this.#root : (`${this.#root}${path}` as BytePath);
  }
}

/** The text of a path that slipway itself made. */
function hostName(path: BytePath): string {
  return Buffer.from(path, 'latin1').toString();
}

function openHeld(host: BytePath): number | undefined {
  try {
    return openSync(hostPath(host), NOFOLLOW);
  } catch (error) {
    // Sockets and symlinks hold nothing that must not stay, and what could not be made is not there.
    if (['ENXIO', 'ELOOP', 'ENOENT'].includes(errnoOf(error) ?? '')) return undefined;
    throw error;
  }
}

function removeIfEmpty(host: BytePath): void {
  try {
    rmdirSync(hostPath(host));
  } catch (error) {
    if (errnoOf(error) !== 'ENOTEMPTY' && errnoOf(error) !== 'EEXIST') throw error;
  }
}
