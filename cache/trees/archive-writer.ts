import { type BytePath, displayPath } from '../../src/core/byte-path.ts';
import { SlipwayError } from '../../src/core/errors.ts';
import { type FileEntry, type FileTree, resolvePath } from '../../src/core/file-tree.ts';
import { checkPathLength } from '../layers/layer-path.ts';
import { isLayerXattr } from '../layers/overlay-format.ts';
import { type LinkAttributes, linkedFile } from '../tar/hard-link.ts';
import type { TarEntry } from '../tar/tar-entry.ts';
import type { ArchiveFile } from './archive-files.ts';
import { type Ids, makeFolders } from './make-folders.ts';
import type { WorkingTree } from './working-tree.ts';

const FOLDER_MODE = 0o755;

/**
 * Puts an archive's entries into a folder of the working tree as BuildKit's unpacker (moby/go-archive, in a chroot) does. The
 * folder is the root for all paths and links; a later entry replaces an earlier one, but a folder stays and takes the new attributes.
 * `SLIPWAY_ARCHIVE_ESCAPES` for names that climb out of it, `SLIPWAY_LAYER_PATH_TOO_LONG` for what no kernel could make.
 */
export class ArchiveWriter {
  readonly #archive: string;
  readonly #folder: BytePath;
  readonly #tree: WorkingTree;
  readonly #owner: Ids | undefined;
  readonly #now: number;
  /** The working tree as it is seen from the folder. */
  readonly #inside: FileTree;

  constructor(
    archive: string,
    folder: BytePath,
    { tree, owner, now }: { readonly tree: WorkingTree; readonly owner: Ids | undefined; readonly now: number },
  ) {
    this.#archive = archive;
    this.#folder = folder;
    this.#tree = tree;
    this.#owner = owner;
    this.#now = now;
    this.#inside = {
      lstat: (path) => tree.lstat(this.#outside(path)),
      readdir: (path) => tree.readdir(this.#outside(path)),
      contentPath: (path) => tree.contentPath(this.#outside(path)),
    };
  }

  write({ entry, content }: ArchiveFile): void {
    const path = this.#rooted(entry.path, entry);
    checkPathLength(this.#folder, path);
    if (path === '/') {
      if (entry.type !== 'dir') throw this.#refuse(entry, 'it would replace the destination');
      // `./` describes the destination as it was packed, and leaves the one that is there alone; `/` does not.
      if (entry.path.startsWith('/')) this.#tree.putFolder(this.#folder, this.#file(entry));
      return;
    }
    const target = this.#target(path);
    const existing = this.#tree.lstat(target);
    if (existing !== undefined && !(existing.type === 'dir' && entry.type === 'dir')) this.#tree.remove(target);
    if (entry.type === 'dir') this.#tree.putFolder(target, this.#file(entry));
    else if (entry.type === 'hardlink') this.#link(entry, target);
    else {
      const file = this.#file(entry);
      this.#tree.put(target, content === undefined ? { file } : { file, content });
    }
  }

  /** Another name of a file that is there: of this archive, or of the image. */
  #link(entry: TarEntry, target: BytePath): void {
    const from = this.#rooted(entry.target ?? ('' as BytePath), entry);
    const source = this.#outside(resolvePath(this.#inside, from, 'keep') ?? from);
    const inode = this.#tree.inode(source);
    if (inode === undefined) throw this.#refuse(entry, `it is a hard link to ${displayPath(from)}, which is not there`);
    if (inode.file.type === 'dir') throw this.#refuse(entry, `it is a hard link to the folder ${displayPath(from)}`);
    const linked = linkedFile(inode.file, this.#attributes(entry));
    // moby leaves a symlink's time alone, which it could only set for what the symlink leads to.
    inode.file = inode.file.type === 'symlink' ? { ...linked, mtime: inode.file.mtime } : linked;
    this.#tree.putShared(source, inode);
    this.#tree.putShared(target, inode);
  }

  /** Where an entry goes, in the working tree: symlinks in front of its name are followed, missing folders are made as root's. */
  #target(path: BytePath): BytePath {
    const slash = path.lastIndexOf('/');
    const parent = resolvePath(this.#inside, (path.slice(0, slash) || '/') as BytePath, 'follow');
    if (parent === undefined) {
      throw new SlipwayError(
        'SLIPWAY_COPY_SYMLINK_LOOP',
        `${this.#archive}: too many links in front of ${displayPath(path)}`,
      );
    }
    const folder = this.#outside(parent);
    checkPathLength('', folder);
    makeFolders(this.#tree, folder, { parentMode: FOLDER_MODE, owner: undefined, now: this.#now });
    return `${folder === '/' ? '' : folder}${path.slice(slash)}` as BytePath;
  }

  /** A name of the archive as a path below the folder; one that climbs above it is refused, unless it starts at the root. */
  #rooted(name: BytePath, entry: TarEntry): BytePath {
    const components: string[] = [];
    for (const component of name.split('/')) {
      if (component === '' || component === '.') continue;
      if (component !== '..') components.push(component);
      else if (components.pop() === undefined && !name.startsWith('/')) {
        const message = `${this.#archive}: "${displayPath(entry.path)}" leads outside of the destination`;
        throw new SlipwayError('SLIPWAY_ARCHIVE_ESCAPES', message);
      }
    }
    return `/${components.join('/')}` as BytePath;
  }

  #outside(path: BytePath): BytePath {
    if (this.#folder === '/') return path;
    return path === '/' ? this.#folder : (`${this.#folder}${path}` as BytePath);
  }

  #file(entry: TarEntry): FileEntry {
    const { type, size, target, device } = entry;
    if (type === 'hardlink') throw new Error('internal: a hard link is no file of its own');
    return {
      type,
      size,
      ...this.#attributes(entry),
      ...(type === 'symlink' ? { mode: 0o777 } : undefined),
      ...(target === undefined ? undefined : { target }),
      ...(device === undefined ? undefined : { device }),
    };
  }

  #attributes(entry: TarEntry): LinkAttributes {
    const xattrs = [...(entry.xattrs ?? [])].filter(([name]) => isLayerXattr(name));
    return {
      mode: entry.mode,
      uid: this.#owner?.uid ?? entry.uid,
      gid: this.#owner?.gid ?? entry.gid,
      mtime: entry.mtime,
      ...(xattrs.length === 0 ? undefined : { xattrs: new Map(xattrs) }),
    };
  }

  #refuse(entry: TarEntry, why: string): SlipwayError {
    return new SlipwayError(
      'SLIPWAY_ARCHIVE_INVALID',
      `${this.#archive}: cannot unpack "${displayPath(entry.path)}": ${why}`,
    );
  }
}
