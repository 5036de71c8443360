import {
  chmodSync,
  chownSync,
  fchmodSync,
  fchownSync,
  futimesSync,
  lchownSync,
  lutimesSync,
  readFileSync,
  utimesSync,
} from 'node:fs';
import { type BytePath, hostPath } from '../../src/core/byte-path.ts';
import { errnoOf, SlipwayError } from '../../src/core/errors.ts';
import type { FileEntry } from '../../src/core/file-tree.ts';
import { syscalls } from '../../src/core/syscalls.ts';
import { isUnpackedXattr } from './overlay-format.ts';

const SPECIAL_BITS = 0o7000;

type Attributes = Pick<FileEntry, 'mode' | 'uid' | 'gid' | 'mtime' | 'xattrs'>;

/**
 * Gives files the attributes that a layer says they have: owner, mode, extended attributes, mtime, in the order in which none undoes
 * another (a change of owner clears setuid, setgid and capabilities). Every path is below a folder that only this process sees, and
 * its folders are real folders.
 */
export class AttributeSetter {
  readonly #owner = { uid: process.geteuid?.() ?? 0, gid: process.getegid?.() ?? 0 };
  readonly #umask = ownUmask();
  /** Whether any file got extended attributes. */
  hasXattrs = false;

  /** A regular file that was opened for writing with `file.mode` when it was made, at `host`. */
  setOpenFile(descriptor: number, host: BytePath, file: Attributes): void {
    if (file.uid !== this.#owner.uid || file.gid !== this.#owner.gid)
      asOwner(file, () => fchownSync(descriptor, file.uid, file.gid));
    // Most files were made with the right mode.
    if ((file.mode & (this.#umask | SPECIAL_BITS)) !== 0) fchmodSync(descriptor, file.mode);
    this.#setXattrs(host, file);
    futimesSync(descriptor, file.mtime, file.mtime);
  }

  setFolder(host: BytePath, file: Attributes): void {
    asOwner(file, () => chownSync(hostPath(host), file.uid, file.gid));
    chmodSync(hostPath(host), file.mode);
    this.#setXattrs(host, file);
    utimesSync(hostPath(host), file.mtime, file.mtime);
  }

  setSymlink(host: BytePath, file: Attributes): void {
    asOwner(file, () => lchownSync(hostPath(host), file.uid, file.gid));
    this.#setXattrs(host, file);
    lutimesSync(hostPath(host), file.mtime, file.mtime);
  }

  /** A device node, a fifo, or what stands for one. */
  setNode(host: BytePath, file: Attributes): void {
    asOwner(file, () => lchownSync(hostPath(host), file.uid, file.gid));
    chmodSync(hostPath(host), file.mode);
    this.#setXattrs(host, file);
    lutimesSync(hostPath(host), file.mtime, file.mtime);
  }

  #setXattrs(host: BytePath, file: Attributes): void {
    if (file.xattrs === undefined) return;
    for (const [name, value] of file.xattrs) {
      if (!isUnpackedXattr(name)) continue;
      this.hasXattrs = true;
      try {
        syscalls().setXattr(host, name, Buffer.from(value, 'latin1'));
      } catch (error) {
        // The filesystem or the file's type may not have them. Capabilities always matter.
        const errno = errnoOf(error);
        const isRefused = errno === 'EPERM' || errno === 'ENOTSUP' || errno === 'EOPNOTSUPP' || errno === 'EINVAL';
        if (!isRefused || name === 'security.capability') throw error;
      }
    }
  }
}

function asOwner(file: Attributes, change: () => void): void {
  try {
    change();
  } catch (error) {
    if (errnoOf(error) !== 'EINVAL' && errnoOf(error) !== 'EPERM') throw error;
    throw new SlipwayError(
      'SLIPWAY_LAYER_OWNER_UNMAPPED',
      `a layer has a file of owner ${file.uid}:${file.gid}, which this user's subordinate ids do not reach`,
      { hint: 'give the user more ids in /etc/subuid and /etc/subgid (65536 are usual)', cause: error },
    );
  }
}

/** From /proc, because process.umask() has to change it to read it. */
function ownUmask(): number {
  const line = /^Umask:\s*([0-7]+)$/m.exec(readFileSync('/proc/self/status', 'latin1'));
  return line?.[1] === undefined ? 0o777 : Number.parseInt(line[1], 8);
}
