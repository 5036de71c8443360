import {
  chmodSync,
  closeSync,
  constants,
  copyFileSync,
  ftruncateSync,
  lchownSync,
  linkSync,
  mkdirSync,
  openSync,
  readlinkSync,
  readSync,
  statSync,
  symlinkSync,
  writeSync,
} from 'node:fs';
import { type BytePath, hostPath } from '../../core/byte-path.ts';
import { errnoOf } from '../../core/errors.ts';
import type { HostStat } from '../../core/host-stat.ts';
import { makeDeviceNode } from '../../core/layer-marks.ts';
import { syscalls } from '../../core/syscalls.ts';
import { childOf, type LayerFile, type LayerStack } from './layer-stack.ts';

const S_IFIFO = 0o010000;
/** Below this a file's holes are not worth looking for. */
const SPARSE_FROM = 64 * 1024;
const CHUNK = 1 << 20;

/**
 * Copies files with owner, mode, times and extended attributes, and makes what was one inode one inode again. Where the filesystem can, a copy
 * shares the blocks of its original until one of them is written to. Never a hard link to the original: the copy is there to be written to.
 */
export class FileCopier {
  /** Where the inodes with several names were copied to. */
  readonly #copies = new Map<string, BytePath>();

  /** Copies one file to a path that does not exist; sockets are left out. A folder is made empty, with its attributes but for the times. */
  copy({ host, stat }: LayerFile, to: BytePath): void {
    const copied = stat.sharedInode === undefined ? undefined : this.#copies.get(stat.sharedInode);
    if (copied !== undefined) {
      linkSync(hostPath(copied), hostPath(to));
      return;
    }
    if (!makeCopy({ host, stat }, to)) return;
    if (stat.sharedInode !== undefined) this.#copies.set(stat.sharedInode, to);
    setAttributes({ host, stat }, to);
    if (stat.type !== 'dir') setFileTimes(to, stat);
  }
}

/** Copies what the stack has at `path`, folders with all that is in them, to `to`; a folder may exist there already. */
export function copyFromStack(stack: LayerStack, path: BytePath, to: BytePath): void {
  const copier = new FileCopier();
  const visit = (from: BytePath, target: BytePath): void => {
    const file = stack.find(from);
    if (file === undefined) return;
    if (file.stat.type !== 'dir') {
      copier.copy(file, target);
      return;
    }
    copyFolder(copier, file, target);
    for (const name of stack.readdir(from)) visit(childOf(from, name), `${target}/${name}` as BytePath);
    setFileTimes(target, file.stat);
  };
  visit(path, to);
}

/** As `copy`, but a folder may exist already and gets the attributes of the copied one. */
export function copyFolder(copier: FileCopier, file: LayerFile, to: BytePath): void {
  if (syscalls().lstat(to) === undefined) copier.copy(file, to);
  else setAttributes(file, to);
}

/** Sets the mtime, to the nanoseconds that the stat has. */
export function setFileTimes(path: BytePath, { mtime, mtimeMs }: HostStat): void {
  const nanoseconds = Math.round((mtimeMs - mtime * 1000) * 1_000_000);
  syscalls().setTimes(path, mtime, Math.min(Math.max(nanoseconds, 0), 999_999_999));
}

function makeCopy({ host, stat }: LayerFile, to: BytePath): boolean {
  switch (stat.type) {
    case 'dir':
      mkdirSync(hostPath(to), { mode: 0o700 });
      return true;
    case 'file':
      copyContent(host, stat, to);
      return true;
    case 'symlink':
      symlinkSync(readlinkSync(hostPath(host), 'buffer'), hostPath(to));
      return true;
    case 'char':
    case 'block':
      makeDeviceNode(to, { type: stat.type, ...stat.device });
      return true;
    case 'fifo':
      syscalls().mknod(to, S_IFIFO | 0o600, 0, 0);
      return true;
    case 'socket':
      return false;
    default: {
      const unknown: never = stat.type;
      throw new Error(`internal: file type ${unknown}`);
    }
  }
}

function copyContent(host: BytePath, stat: HostStat, to: BytePath): void {
  if (stat.size >= SPARSE_FROM && statSync(hostPath(host)).blocks * 512 < stat.size) copySparse(host, stat.size, to);
  else copyFileSync(hostPath(host), hostPath(to), constants.COPYFILE_FICLONE | constants.COPYFILE_EXCL);
}

/** What is all zeros becomes a hole. */
function copySparse(host: BytePath, size: number, to: BytePath): void {
  const [input, output] = [openSync(hostPath(host), 'r'), openSync(hostPath(to), 'wx', 0o600)];
  try {
    const [chunk, zeros] = [Buffer.alloc(CHUNK), Buffer.alloc(CHUNK)];
    for (let at = 0; at < size; ) {
      const length = readSync(input, chunk, 0, CHUNK, at);
      if (length === 0) break;
      const isHole = chunk.compare(zeros, 0, length, 0, length) === 0;
      for (let done = 0; !isHole && done < length; ) done += writeSync(output, chunk, done, length - done, at + done);
      at += length;
    }
    ftruncateSync(output, size);
  } finally {
    closeSync(input);
    closeSync(output);
  }
}

/** Owner first: a change of owner clears setuid, setgid and capabilities. */
function setAttributes({ host, stat }: LayerFile, to: BytePath): void {
  lchownSync(hostPath(to), stat.uid, stat.gid);
  if (stat.type !== 'symlink') chmodSync(hostPath(to), stat.mode);
  for (const [name, value] of syscalls().listXattrs(host)) {
    if (isCopied(name)) setXattr(to, name, value);
  }
}

/** Not what belongs to overlayfs, to the host's labels, or to how the store keeps things. */
function isCopied(name: string): boolean {
  return !/^(trusted\.|user\.overlay\.|user\.slipway\.)|^security\.(selinux|ima|evm)$/.test(name);
}

function setXattr(path: BytePath, name: string, value: Uint8Array): void {
  try {
    syscalls().setXattr(path, name, value);
  } catch (error) {
    // The filesystem or the file's type may not have them. Capabilities always matter.
    const isRefused = ['EPERM', 'ENOTSUP', 'EOPNOTSUPP'].includes(errnoOf(error) ?? '');
    if (!isRefused || name === 'security.capability') throw error;
  }
}
