import {
  closeSync,
  constants,
  fchmodSync,
  futimesSync,
  linkSync,
  lstatSync,
  lutimesSync,
  mkdirSync,
  openSync,
  readdirSync,
  renameSync,
  rmSync,
  type Stats,
  symlinkSync,
} from 'node:fs';
import { type BytePath, bytePathOf, hostPath } from '../core/byte-path.ts';
import { copyBytes } from '../core/copy-bytes.ts';
import { errnoOf } from '../core/errors.ts';
import { syscalls } from '../core/syscalls.ts';
import { isAbandoned, temporaryName } from './temporary-name.ts';

const DIRECTORY = constants.O_RDONLY | constants.O_DIRECTORY | constants.O_NOFOLLOW;
const CREATE = constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | constants.O_NOFOLLOW;
/** How the temporary names of all files begin. */
const TEMPORARY = 'slipway';
const TYPE_BITS = { char: 0o020000, block: 0o060000, fifo: 0o010000 } as const;

/** What a file gets besides its bytes. */
export interface Attributes {
  readonly mode: number;
  /** Seconds since 1970. */
  readonly mtime: number;
  readonly xattrs?: ReadonlyMap<string, string>;
}

/**
 * An open folder in which names are made. Every name is looked up in the open folder itself (by /proc/self/fd, which is what openat(2)
 * is for other languages), so nothing is ever written through a symlink, whoever put it there and whenever. Names never hold a slash.
 */
export class RootedFolder implements Disposable {
  readonly #descriptor: number;

  private constructor(descriptor: number) {
    this.#descriptor = descriptor;
  }

  /** Opens a folder that the user named, and makes it where it is not there; symlinks on the way to it are the user's. */
  static open(path: string): RootedFolder {
    mkdirSync(path, { recursive: true });
    const root = new RootedFolder(openSync(path, constants.O_RDONLY | constants.O_DIRECTORY));
    root.#removeAbandoned();
    return root;
  }

  /** Opens the folder of this name; whatever else has the name is replaced by an empty folder. */
  folder(name: BytePath): RootedFolder {
    const existing = this.#lstat(name);
    if (!existing?.isDirectory()) {
      this.remove(name);
      mkdirSync(this.#place(name), 0o700);
    }
    const descriptor = openSync(this.#place(name), DIRECTORY);
    // An earlier export may have made it read-only; `finish` gives it its mode again.
    if (existing !== undefined && (existing.mode & 0o700) !== 0o700) fchmodSync(descriptor, existing.mode | 0o700);
    const folder = new RootedFolder(descriptor);
    if (existing?.isDirectory()) folder.#removeAbandoned();
    return folder;
  }

  /** Puts a copy of the open file `source` in place of whatever has the name. */
  file(name: BytePath, source: number, attributes: Attributes): void {
    this.#replace(name, (temporary) => {
      const descriptor = openSync(this.#place(temporary), CREATE, 0o600);
      try {
        copyBytes(`/proc/self/fd/${source}`, descriptor);
        this.#setXattrs(temporary, attributes.xattrs);
        fchmodSync(descriptor, attributes.mode);
        futimesSync(descriptor, attributes.mtime, attributes.mtime);
      } finally {
        closeSync(descriptor);
      }
    });
  }

  symlink(name: BytePath, target: BytePath, attributes: Attributes): void {
    this.#replace(name, (temporary) => {
      symlinkSync(hostPath(target), this.#place(temporary));
      this.#setXattrs(temporary, attributes.xattrs);
      lutimesSync(this.#place(temporary), attributes.mtime, attributes.mtime);
    });
  }

  /** Another name for the file `original` in `folder`. */
  hardLink(name: BytePath, folder: RootedFolder, original: BytePath): void {
    this.#replace(name, (temporary) => linkSync(folder.#place(original), this.#place(temporary)));
  }

  /** A fifo or, with the rights for it, a device. */
  special(
    name: BytePath,
    type: keyof typeof TYPE_BITS,
    attributes: Attributes & { readonly major: number; readonly minor: number },
  ): void {
    this.#replace(name, (temporary) => {
      const place = this.#bytePlace(temporary);
      syscalls().mknod(place, TYPE_BITS[type] | (attributes.mode & 0o777), attributes.major, attributes.minor);
      syscalls().setTimes(place, attributes.mtime);
    });
  }

  /** Gives this folder itself its attributes; called last, because making names in it changes its time. */
  finish({ mode, mtime }: Attributes): void {
    fchmodSync(this.#descriptor, mode);
    futimesSync(this.#descriptor, mtime, mtime);
  }

  names(): readonly BytePath[] {
    return readdirSync(`/proc/self/fd/${this.#descriptor}`, { encoding: 'buffer' }).map((name) => bytePathOf(name));
  }

  isFolder(name: BytePath): boolean {
    return this.#lstat(name)?.isDirectory() ?? false;
  }

  /** Removes the name and, of a folder, all below it. */
  remove(name: BytePath): void {
    rmSync(this.#place(name), { recursive: true, force: true });
  }

  [Symbol.dispose](): void {
    closeSync(this.#descriptor);
  }

  /** Makes something under a temporary name and renames it, so that the name has the old or the new at every moment. */
  #replace(name: BytePath, make: (temporary: BytePath) => void): void {
    const temporary = temporaryName(TEMPORARY) as BytePath;
    try {
      make(temporary);
      if (this.isFolder(name)) this.remove(name);
      renameSync(this.#place(temporary), this.#place(name));
    } catch (error) {
      rmSync(this.#place(temporary), { force: true });
      throw error;
    }
  }

  /** Removes what an export left here that was killed while it wrote. */
  #removeAbandoned(): void {
    for (const name of this.names()) if (isAbandoned(name, TEMPORARY)) this.remove(name);
  }

  /** What the filesystem or the user's rights do not allow is left out, as docker leaves it out. */
  #setXattrs(name: BytePath, xattrs: ReadonlyMap<string, string> | undefined): void {
    for (const [key, value] of xattrs ?? []) {
      try {
        syscalls().setXattr(this.#bytePlace(name), key, Buffer.from(value, 'latin1'));
      } catch (error) {
        if (!['EPERM', 'ENOTSUP', 'EOPNOTSUPP'].includes(errnoOf(error) ?? '')) throw error;
      }
    }
  }

  #lstat(name: BytePath): Stats | undefined {
    return lstatSync(this.#place(name), { throwIfNoEntry: false });
  }

  #place(name: BytePath): string | Buffer {
    return hostPath(this.#bytePlace(name));
  }

  #bytePlace(name: BytePath): BytePath {
    if (name === '' || name === '.' || name === '..' || name.includes('/'))
      throw new Error(`internal: ${JSON.stringify(name)} is no name in a folder`);
    return `/proc/self/fd/${this.#descriptor}/${name}` as BytePath;
  }
}
