import type { BytePath } from '../../src/core/byte-path.ts';

export type TarType = 'file' | 'dir' | 'symlink' | 'hardlink' | 'char' | 'block' | 'fifo';

/** One entry of a tar archive, apart from its bytes. */
export interface TarEntry {
  /** As it stands in the archive: not yet rooted, cleaned or checked; never empty. A writer takes it without a leading slash. */
  readonly path: BytePath;
  readonly type: TarType;
  /** Permission bits with setuid, setgid and sticky: `mode & 0o7777`. */
  readonly mode: number;
  /** Below 2^32 - 1, which chown(2) takes as "leave it". */
  readonly uid: number;
  readonly gid: number;
  /** Bytes of a file with its holes, else 0. */
  readonly size: number;
  /** Whole seconds since 1970; may be negative. */
  readonly mtime: number;
  /** Target of a symlink as written, or the archive path of the entry that a hard link is another name of. */
  readonly target?: BytePath;
  /** Device numbers of `char` and `block`. */
  readonly device?: { readonly major: number; readonly minor: number };
  /** From PAX records `SCHILY.xattr.NAME`, values as bytes in latin1. */
  readonly xattrs?: ReadonlyMap<string, string>;
}
