import { readdirSync, readlinkSync } from 'node:fs';
import { type BytePath, bytePathOf, hostPath, toBytePath } from '../../core/byte-path.ts';
import type { FileEntry, FileTree } from '../../core/file-tree.ts';
import type { HostStat } from '../../core/host-stat.ts';
import { hostStatReader } from '../../core/host-stat-reader.ts';
import { DEVICE_XATTR, isRemoval, parsePlaceholder } from '../../core/layer-marks.ts';
import { syscalls } from '../../core/syscalls.ts';
import type { OverlayXattrs } from '../overlay.ts';

/** A file of a layer's folder: where it lies, and what it is there. */
export interface LayerFile {
  readonly host: BytePath;
  readonly stat: HostStat;
}

/** What a layer's folder has of a name, by the marks of overlayfs and those that stand for them. */
export class LayerMarks {
  readonly #opaque: string;
  readonly #stat = hostStatReader();

  constructor(xattrs: OverlayXattrs) {
    this.#opaque = `${xattrs}.overlay.opaque`;
  }

  /** Undefined for what the folder does not have. */
  read(host: BytePath): LayerFile | 'removed' | undefined {
    const stat = this.#stat(host);
    if (stat === undefined) return undefined;
    if (stat.type === 'char' && isRemoval({ type: 'char', ...stat.device })) return 'removed';
    if (stat.type !== 'file' || stat.size > 0) return { host, stat };
    const placeholder = syscalls().listXattrs(host).get(DEVICE_XATTR);
    const device = placeholder === undefined ? undefined : parsePlaceholder(placeholder);
    if (device === undefined) return { host, stat };
    if (isRemoval(device)) return 'removed';
    return { host, stat: { ...stat, type: device.type, device } };
  }

  /** Whether the folder hides what the layers below have in it. */
  isOpaque(host: BytePath): boolean {
    return syscalls().listXattrs(host).get(this.#opaque)?.toString('latin1') === 'y';
  }
}

/** The folder's names as bytes. */
export function namesIn(host: BytePath): BytePath[] {
  return readdirSync(hostPath(host), { encoding: 'latin1' }) as BytePath[];
}

/** The path of a name in a folder. */
export function childOf(folder: BytePath, name: BytePath): BytePath {
  return (folder === '/' ? `/${name}` : `${folder}/${name}`) as BytePath;
}

/** The tree that the folders of a stack make on top of each other, by overlayfs's rules, without mounting it. The folders do not change. */
export class LayerStack implements FileTree {
  readonly #marks: LayerMarks;
  /** The folders that a folder of the tree is made of, highest first; undefined for what is none. */
  readonly #folders = new Map<BytePath, readonly BytePath[] | undefined>();

  /** `lowerDirs` lowest first. */
  constructor(lowerDirs: readonly string[], xattrs: OverlayXattrs) {
    this.#marks = new LayerMarks(xattrs);
    this.#folders.set('/' as BytePath, lowerDirs.map(toBytePath).toReversed());
  }

  /** What the tree has at the path, and where. The root is its highest layer's. */
  find(path: BytePath): LayerFile | undefined {
    if (path === '/') return this.#root();
    const slash = path.lastIndexOf('/');
    const name = path.slice(slash);
    for (const folder of this.#foldersOf((path.slice(0, slash) || '/') as BytePath) ?? []) {
      const file = this.#marks.read(`${folder}${name}` as BytePath);
      if (file === 'removed') return undefined;
      if (file !== undefined) return file;
    }
    return undefined;
  }

  lstat(path: BytePath): FileEntry | undefined {
    const file = this.find(path);
    if (file === undefined) return undefined;
    const { type, mode, uid, gid, mtime, size } = file.stat;
    const entry = { type, mode, uid, gid, mtime, size: type === 'file' ? size : 0 };
    return type === 'symlink' ? { ...entry, target: bytePathOf(readlinkSync(hostPath(file.host), 'buffer')) } : entry;
  }

  readdir(path: BytePath): readonly BytePath[] {
    const names = new Set((this.#foldersOf(path) ?? []).flatMap(namesIn));
    return [...names].filter((name) => this.find(childOf(path, name)) !== undefined).sort();
  }

  contentPath(path: BytePath): BytePath {
    const file = this.find(path);
    if (file === undefined) throw new Error(`internal: ${path} is not in the stack`);
    return file.host;
  }

  #root(): LayerFile | undefined {
    const [highest] = this.#folders.get('/' as BytePath) ?? [];
    const file = highest === undefined ? undefined : this.#marks.read(highest);
    return file === 'removed' ? undefined : file;
  }

  #foldersOf(path: BytePath): readonly BytePath[] | undefined {
    if (this.#folders.has(path)) return this.#folders.get(path);
    const slash = path.lastIndexOf('/');
    const above = this.#foldersOf((path.slice(0, slash) || '/') as BytePath);
    const folders = above === undefined ? undefined : this.#merged(above, path.slice(slash));
    this.#folders.set(path, folders);
    return folders;
  }

  #merged(above: readonly BytePath[], name: string): readonly BytePath[] | undefined {
    const folders: BytePath[] = [];
    for (const folder of above) {
      const host = `${folder}${name}` as BytePath;
      const file = this.#marks.read(host);
      if (file === undefined) continue;
      if (file === 'removed' || file.stat.type !== 'dir') break;
      folders.push(host);
      if (folder !== above.at(-1) && this.#marks.isOpaque(host)) break;
    }
    return folders.length === 0 ? undefined : folders;
  }
}
