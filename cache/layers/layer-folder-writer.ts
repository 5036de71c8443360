import {
  chmodSync,
  closeSync,
  constants,
  ftruncateSync,
  linkSync,
  mkdirSync,
  openSync,
  rmdirSync,
  symlinkSync,
  unlinkSync,
  writeSync,
} from 'node:fs';
import { type BytePath, displayPath, hostPath, toBytePath } from '../../src/core/byte-path.ts';
import { copyBytes } from '../../src/core/copy-bytes.ts';
import { SlipwayError } from '../../src/core/errors.ts';
import type { FileEntry, FileTree } from '../../src/core/file-tree.ts';
import { type DeviceNode, isRemoval, makeDeviceNode, markPlaceholders, REMOVAL } from '../../src/core/layer-marks.ts';
import { syscalls } from '../../src/core/syscalls.ts';
import { type LinkAttributes, linkedFile } from '../tar/hard-link.ts';
import { AttributeSetter } from './file-attributes.ts';
import type { LayerTraits } from './layer-folder.ts';
import {
  type FolderNode,
  type LayerModel,
  type LayerNode,
  type LayerPlace,
  newFolderNode,
  resolveParent,
} from './layer-model.ts';
import { checkPathLength } from './layer-path.ts';
import type { OverlayXattrPrefix } from './overlay-format.ts';
import { OPAQUE_NAME } from './whiteout-names.ts';

export interface LayerFolderOptions {
  /** An empty folder that only this process sees, mode 0700. */
  readonly root: string;
  readonly prefix: OverlayXattrPrefix;
  /** The files below this layer, for what it says nothing of itself; called at most once. Undefined where nobody knows them. */
  readonly below: (() => FileTree) | undefined;
}

/** What a finished folder has, and whether another stack below would have made another one. */
export interface WrittenFolder {
  readonly traits: LayerTraits;
  readonly dependsOnBelow: boolean;
}

/** A hard link to a file of the layers below: the target as it is and as it was written. */
interface LinkToBelow {
  readonly from: BytePath;
  readonly written: BytePath;
  readonly attributes: LinkAttributes | undefined;
}

const CREATE = constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | constants.O_NOFOLLOW;
const S_IFIFO = 0o010000;

/**
 * Writes a layer's `dir` form. What is to be written may be hostile: a model in memory of what the layer has so far decides where a path
 * leads, symlinks are followed in it and never by the kernel, and so nothing outside `root` is ever reached. A path that comes
 * twice is what came last. Attributes of folders are set by `finish`, because writing into a folder changes its mtime.
 */
export class LayerFolderWriter {
  readonly #root: string;
  readonly #options: LayerFolderOptions;
  readonly #model: LayerModel = {
    root: newFolderNode(),
    makeFolder: (path, replaces) => this.#makeFolder(path, replaces),
  };
  readonly #attributes = new AttributeSetter();
  /** Where the file lies that `openFile` made last. */
  #pendingPath = '' as BytePath;
  #below: FileTree | undefined;
  #dependsOnBelow = false;
  #traits = { opaque: false, opaqueRoot: false, placeholders: false };

  constructor(options: LayerFolderOptions) {
    this.#root = options.root;
    this.#options = options;
  }

  /** The path of the layers below is gone. What this layer itself has there stays: whiteouts apply to the layers below only. */
  remove(path: BytePath): void {
    const place = this.#place(path);
    const existing = place.parent.children.get(place.name);
    if (existing?.type === 'dir') existing.opaque = true;
    if (existing !== undefined) return;
    this.#makeDevice(place.path, REMOVAL);
    place.parent.children.set(place.name, { type: 'whiteout' });
  }

  /** The folder, which may be named through symlinks of this layer, hides what the layers below have in it. */
  makeOpaque(path: BytePath): void {
    if (path === '/') this.#model.root.opaque = true;
    else this.#place(`${path}/${OPAQUE_NAME}` as BytePath).parent.opaque = true;
  }

  /** A folder, new or there already. The root's own attributes are not a layer's to set. */
  folder(path: BytePath, file: FileEntry): void {
    if (path === '/') return;
    const place = this.#place(path);
    const existing = place.parent.children.get(place.name);
    if (existing?.type === 'dir') {
      existing.file = file;
      return;
    }
    this.#clear(place);
    this.#makeFolder(place.path);
    place.parent.children.set(place.name, { ...newFolderNode(), file, opaque: existing?.type === 'whiteout' });
  }

  /** A regular file; `write` is given an open descriptor and writes all of it. */
  file(path: BytePath, file: FileEntry, write: (descriptor: number) => void): void {
    const descriptor = this.openFile(path, file);
    try {
      write(descriptor);
      this.finishFile(descriptor, file, file.size);
    } finally {
      closeSync(descriptor);
    }
  }

  /** As `file` in steps: the caller writes, calls `finishFile` and closes. */
  openFile(path: BytePath, file: FileEntry): number {
    const place = this.#place(path);
    this.#clear(place);
    const host = this.#host(place.path);
    const descriptor = openSync(hostPath(host), CREATE, file.mode & 0o777);
    place.parent.children.set(place.name, { type: 'file' });
    this.#pendingPath = host;
    return descriptor;
  }

  /** Sets the attributes of the file that `openFile` made last; what is missing from `written` to its size becomes a hole. */
  finishFile(descriptor: number, file: FileEntry, written: number): void {
    if (written < file.size) ftruncateSync(descriptor, file.size);
    this.#attributes.setOpenFile(descriptor, this.#pendingPath, file);
  }

  symlink(path: BytePath, file: FileEntry): void {
    const place = this.#place(path);
    this.#clear(place);
    const target = file.target ?? ('' as BytePath);
    checkPathLength('', target);
    const host = this.#host(place.path);
    symlinkSync(hostPath(target), hostPath(host));
    place.parent.children.set(place.name, { type: 'symlink', target });
    this.#attributes.setSymlink(host, file);
  }

  /** A device node or fifo. Where none may be made, an empty file that says so takes its place, so that it is not lost. */
  node(path: BytePath, file: FileEntry & { readonly type: 'char' | 'block' | 'fifo' }): void {
    const place = this.#place(path);
    const { major, minor } = file.device ?? { major: 0, minor: 0 };
    if (file.type !== 'fifo' && isRemoval({ type: file.type, major, minor })) {
      // What overlayfs takes as a whiteout is one, however it came here.
      this.remove(path);
      return;
    }
    this.#clear(place);
    const host = this.#host(place.path);
    place.parent.children.set(place.name, { type: 'other' });
    if (file.type === 'fifo') syscalls().mknod(host, S_IFIFO | 0o600, 0, 0);
    else this.#makeDevice(place.path, { type: file.type, major, minor });
    this.#attributes.setNode(host, file);
  }

  /** Another name of a file of this layer; of a file of the layers below, a copy of it. The file takes the attributes that are given. */
  link(path: BytePath, target: BytePath, attributes?: LinkAttributes): void {
    const source = this.#find(target);
    if (source?.node.type === 'dir') throw linkError(path, target, 'is a folder');
    if (source !== undefined && source.node.type !== 'whiteout') {
      const place = this.#place(path);
      if (place.path === source.path) return;
      if (source.path.startsWith(`${place.path}/`)) throw linkError(path, target, 'is inside what it replaces');
      this.#clear(place);
      const host = this.#host(place.path);
      linkSync(hostPath(this.#host(source.path)), hostPath(host));
      place.parent.children.set(place.name, source.node);
      if (attributes === undefined) return;
      if (source.node.type === 'symlink') this.#attributes.setSymlink(host, attributes);
      else this.#attributes.setNode(host, attributes);
      return;
    }
    this.#copyFromBelow(path, { from: source?.path ?? target, written: target, attributes });
  }

  /** Sets what is left. The folder is then as overlayfs takes it. */
  finish(): WrittenFolder {
    this.#finishFolder(this.#model.root, '' as BytePath);
    chmodSync(this.#root, 0o755);
    const traits = { ...this.#traits, xattrs: this.#attributes.hasXattrs };
    return { traits, dependsOnBelow: this.#dependsOnBelow };
  }

  #finishFolder(node: FolderNode, path: BytePath): void {
    for (const [name, child] of node.children)
      if (child.type === 'dir') this.#finishFolder(child, `${path}/${name}` as BytePath);
    const isRoot = path === '';
    if (isRoot && node.opaque) this.#traits.opaqueRoot = true;
    if (isRoot) return;

    const file = node.file ?? this.#implicitFolder(path);
    const host = this.#host(path);
    if (node.opaque) {
      this.#traits.opaque = true;
      syscalls().setXattr(host, `${this.#options.prefix}opaque`, Buffer.from('y'));
    }
    this.#attributes.setFolder(host, file);
  }

  /** Attributes of a folder that the layer has files in but says nothing of: those that it has below. */
  #implicitFolder(path: BytePath): FileEntry {
    this.#dependsOnBelow = true;
    const below = this.#filesBelow()?.lstat(path);
    if (below?.type === 'dir') return below;
    return { type: 'dir', mode: 0o755, uid: 0, gid: 0, size: 0, mtime: 0 };
  }

  #filesBelow(): FileTree | undefined {
    this.#below ??= this.#options.below?.();
    return this.#below;
  }

  #copyFromBelow(path: BytePath, { from, written, attributes }: LinkToBelow): void {
    this.#dependsOnBelow = true;
    const below = this.#filesBelow();
    const original = below?.lstat(from);
    if (below === undefined || original === undefined) throw linkError(path, written, 'does not exist');
    const file = attributes === undefined ? original : linkedFile(original, attributes);
    switch (file.type) {
      case 'file': {
        const content = hostPath(below.contentPath(from));
        this.file(path, file, (descriptor) => copyBytes(content, descriptor));
        return;
      }
      case 'symlink':
        this.symlink(path, file);
        return;
      case 'char':
      case 'block':
      case 'fifo':
        this.node(path, { ...file, type: file.type });
        return;
      default:
        throw linkError(path, written, `is a ${file.type}`);
    }
  }

  /** Where the path is in this layer, its folders made where they are not there. */
  #place(path: BytePath): LayerPlace {
    checkPathLength(this.#root, path);
    const place = resolveParent(this.#model, path, 'make');
    if (place === undefined) throw new Error(`internal: no place for ${path}`);
    checkPathLength(this.#root, place.path);
    return place;
  }

  #find(path: BytePath): { node: LayerNode; path: BytePath } | undefined {
    if (path === '/') return { node: this.#model.root, path };
    const place = resolveParent(this.#model, path, 'look');
    const node = place?.parent.children.get(place.name);
    return place === undefined || node === undefined ? undefined : { node, path: place.path };
  }

  #host(path: BytePath): BytePath {
    return `${this.#root}${path}` as BytePath;
  }

  #makeDevice(path: BytePath, device: DeviceNode): void {
    if (makeDeviceNode(this.#host(path), device) === 'node') return;
    this.#traits.placeholders = true;
    if (!path.startsWith('/dev/') && !isRemoval(device)) markPlaceholders(toBytePath(this.#root));
  }

  #makeFolder(path: BytePath, replaces?: LayerNode): void {
    checkPathLength(this.#root, path);
    if (replaces !== undefined) this.#removeNode(replaces, path);
    mkdirSync(hostPath(this.#host(path)), { mode: 0o700 });
  }

  #clear(place: LayerPlace): void {
    const existing = place.parent.children.get(place.name);
    if (existing === undefined) return;
    this.#removeNode(existing, place.path);
    place.parent.children.delete(place.name);
  }

  #removeNode(node: LayerNode, path: BytePath): void {
    if (node.type !== 'dir') {
      unlinkSync(hostPath(this.#host(path)));
      return;
    }
    for (const [name, child] of node.children) this.#removeNode(child, `${path}/${name}` as BytePath);
    rmdirSync(hostPath(this.#host(path)));
  }
}

/** Writes all of `bytes` at the descriptor's place. */
export function writeAll(descriptor: number, bytes: Uint8Array): void {
  for (let done = 0; done < bytes.length; ) done += writeSync(descriptor, bytes, done);
}

function linkError(path: BytePath, target: BytePath, problem: string): SlipwayError {
  return new SlipwayError(
    'SLIPWAY_LAYER_INVALID',
    `a layer has ${displayPath(path)} as a hard link to ${displayPath(target)}, which ${problem}`,
  );
}
