import type { BytePath } from '../../src/core/byte-path.ts';
import type { FileEntry, FileTree } from '../../src/core/file-tree.ts';
import { parentOf } from './layer-path.ts';

/** What one layer has at a path. */
export type SourceFile = { readonly kind: 'removed' } | { readonly kind: 'present'; readonly entry: FileEntry };

/** One layer of a view. Asked about a path only when all its folders are known to be folders of this layer. */
export interface ViewSource {
  lstat(path: BytePath): SourceFile | undefined;
  /** Names in a folder of this layer, sorted by bytes; `isDevice`: may stand for "removed". */
  readdir(path: BytePath): readonly { readonly name: BytePath; readonly isDevice: boolean }[];
  isOpaque(path: BytePath): boolean;
  contentPath(path: BytePath): BytePath;
}

/** The layers that a folder of the view is made of, highest first. */
type FolderSources = readonly ViewSource[];

interface FoundFile {
  readonly source: ViewSource;
  readonly entry: FileEntry;
}

const ROOT: FileEntry = { type: 'dir', mode: 0o755, uid: 0, gid: 0, size: 0, mtime: 0 };

/**
 * The tree that layers make on top of each other, by overlayfs's rules: a name is what the highest layer that has it says, and
 * folders are merged down to one that is opaque. Layers do not change, so what was found out about a folder is kept.
 */
export class StackView implements FileTree {
  readonly #folders = new Map<string, FolderSources | undefined>();
  /** Who asks what a file is often asks where its bytes lie next. */
  #last: { readonly path: BytePath; readonly found: FoundFile | undefined } | undefined;

  /** `sources` highest first. */
  constructor(sources: readonly ViewSource[]) {
    const hiding = sources.findIndex((source) => source.isOpaque('/' as BytePath));
    this.#folders.set('/', hiding < 0 ? sources : sources.slice(0, hiding + 1));
  }

  lstat(path: BytePath): FileEntry | undefined {
    if (path === '/') return ROOT;
    const found = this.#find(path);
    this.#last = { path, found };
    return found?.entry;
  }

  readdir(path: BytePath): readonly BytePath[] {
    const sources = this.#sourcesOf(path) ?? [];
    const names = new Map<BytePath, 'present' | 'removed'>();
    for (const source of sources)
      for (const { name, isDevice } of source.readdir(path)) {
        if (names.has(name)) continue;
        const isRemoved = isDevice && source.lstat(childOf(path, name))?.kind === 'removed';
        names.set(name, isRemoved ? 'removed' : 'present');
      }
    const present = [...names].filter(([, state]) => state === 'present').map(([name]) => name);
    return sources.length > 1 ? present.sort() : present;
  }

  contentPath(path: BytePath): BytePath {
    const found = this.#last?.path === path ? this.#last.found : this.#find(path);
    if (found?.entry.type !== 'file') throw new Error(`internal: ${path} is no regular file of the view`);
    return found.source.contentPath(path);
  }

  #find(path: BytePath): FoundFile | undefined {
    for (const source of this.#sourcesOf(parentOf(path)) ?? []) {
      const file = source.lstat(path);
      if (file === undefined) continue;
      return file.kind === 'removed' ? undefined : { source, entry: file.entry };
    }
    return undefined;
  }

  /** Undefined where the path is no folder. */
  #sourcesOf(path: BytePath): FolderSources | undefined {
    if (this.#folders.has(path)) return this.#folders.get(path);
    const above = this.#sourcesOf(parentOf(path));
    const sources = above === undefined ? undefined : mergedSources(above, path);
    this.#folders.set(path, sources);
    return sources;
  }
}

function mergedSources(above: FolderSources, path: BytePath): FolderSources | undefined {
  const sources: ViewSource[] = [];
  for (const source of above) {
    const file = source.lstat(path);
    if (file === undefined) continue;
    if (file.kind === 'removed' || file.entry.type !== 'dir') break;
    sources.push(source);
    if (source !== above.at(-1) && source.isOpaque(path)) break;
  }
  return sources.length === 0 ? undefined : sources;
}

function childOf(folder: BytePath, name: BytePath): BytePath {
  return (folder === '/' ? `/${name}` : `${folder}/${name}`) as BytePath;
}
