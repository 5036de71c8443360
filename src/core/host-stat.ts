import type { FileType, HostState } from './file-tree.ts';

/** What lstat(2) says of a file of this machine. */
export interface HostStat extends HostState {
  readonly type: FileType;
  /** Permission bits with setuid, setgid and sticky. */
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  /** As the filesystem has it, whatever the type. */
  readonly size: number;
  /** Whole seconds of the modification time. */
  readonly mtime: number;
  /** Device numbers of a device node, else 0. */
  readonly device: { readonly major: number; readonly minor: number };
  /** The inode, exactly, where it has several names; undefined for folders and for what has one name. */
  readonly sharedInode: string | undefined;
}

/** `mtimeMs` of fs.Stats, bit for bit. */
export function milliseconds(seconds: number, nanoseconds: number): number {
  return seconds * 1000 + nanoseconds / 1_000_000;
}

const TYPES: ReadonlyMap<number, FileType> = new Map([
  [0o100000, 'file'],
  [0o040000, 'dir'],
  [0o120000, 'symlink'],
  [0o020000, 'char'],
  [0o060000, 'block'],
  [0o010000, 'fifo'],
  [0o140000, 'socket'],
]);

/** The type in `st_mode`. */
export function fileTypeOf(mode: number): FileType {
  const type = TYPES.get(mode & 0o170000);
  if (type === undefined) throw new Error(`internal: no file has the mode ${mode.toString(8)}`);
  return type;
}

/** `st_dev` of fs.Stats as `HostState.dev` has it. */
export function deviceOf(number: number): number {
  const major = Math.floor(number / 2 ** 8) % 2 ** 12;
  const minor = (number % 2 ** 8) + (Math.floor(number / 2 ** 20) % 2 ** 12) * 2 ** 8;
  return major * 2 ** 20 + minor;
}
