import { createHash } from 'node:crypto';
import type { Digest } from '../src/core/digest.ts';
import type { FileEntry, FileTree } from '../src/core/file-tree.ts';
import { contentParts } from './content-parts.ts';
import type { ContentDigester, ContentSelection, SelectedRoot } from './content-selection.ts';
import { type DigestEntry, entryDigester, stateDigester } from './entry-digest.ts';
import type { FileDigests } from './file-digests.ts';
import { type DigestedFolder, FolderDigester, fileLine } from './folder-digester.ts';
import type { FolderDigests } from './folder-digests.ts';
import { fileHasher } from './hash-file.ts';

/** A selected root with what it comes to. */
export interface DigestedRoot {
  /** What the digest calls it. */
  readonly name: string;
  /** Undefined where there is no such file. */
  readonly entry: FileEntry | undefined;
  readonly isExcluded: boolean;
  /** Of the root itself, a regular file, 64 hex digits; else empty. */
  readonly digest: string;
  /** What is in it, where it is a folder. */
  readonly folder?: DigestedFolder;
}

/** What is remembered of files from earlier digests. */
export interface RememberedFiles {
  readonly files: FileDigests;
  readonly folders: FolderDigests;
}

/** A digester that does not read again what is remembered. It works on this thread, in slices; much that is new is read by several. */
export function createContentDigester({ files, folders }: RememberedFiles): ContentDigester {
  const hashFile = fileHasher();
  const digestEntry = entryDigester(files, hashFile);
  const services = { folders, digestEntry, digestState: stateDigester(hashFile), recalled: new WeakMap() };
  return async (tree, selection, signal) => {
    const digester = new FolderDigester(tree, selection.exclude, { ...services, signal });
    const roots: DigestedRoot[] = [];
    for (const root of sorted(selection.roots))
      roots.push(await digestRoot(root, { tree, exclude: selection.exclude, digester, digestEntry }));
    files.flush();
    folders.flush();
    return {
      digest: digestOf(roots),
      // Only a result that is saved has its parts asked for.
      get parts() {
        return contentParts(roots);
      },
    };
  };
}

/** In the byte order of their names, since a name is a byte path. */
function sorted(roots: readonly SelectedRoot[]): readonly Required<SelectedRoot>[] {
  const named = roots.map(({ path, name = path }) => ({ path, name: name as string }));
  return named.sort((a, b) => (a.name < b.name ? -1 : a.name > b.name ? 1 : 0));
}

interface RootServices {
  readonly tree: FileTree;
  readonly exclude: ContentSelection['exclude'];
  readonly digester: FolderDigester;
  readonly digestEntry: DigestEntry;
}

async function digestRoot({ path, name }: Required<SelectedRoot>, services: RootServices): Promise<DigestedRoot> {
  const { tree, exclude, digester, digestEntry } = services;
  const entry = tree.lstat(path);
  if (entry === undefined) return { name, entry, isExcluded: false, digest: '' };
  const isExcluded = exclude?.(path, entry) ?? false;
  const digest = isExcluded ? '' : digestEntry(tree, path, entry);
  if (entry.type !== 'dir') return { name, entry, isExcluded, digest };
  await digester.readAhead(path);
  return { name, entry, isExcluded, digest, folder: await digester.digest(path) };
}

/** No field contains a NUL, and every root has the same number of them. */
function digestOf(roots: readonly DigestedRoot[]): Digest {
  const running = createHash('sha256');
  for (const { name, entry, isExcluded, digest, folder } of roots) {
    const below = folder?.whole ?? '';
    if (isExcluded && below === '') continue;
    const isNamed = entry !== undefined && !isExcluded;
    running.update(
      isNamed ? fileLine(name, entry, digest) : `${name}\0${isExcluded ? 'excluded' : 'absent'}${NO_FIELDS}`,
    );
    running.update(`${below}\0`);
  }
  return `sha256:${running.digest('hex')}` as Digest;
}

/** In place of the other attributes and the digest. */
const NO_FIELDS = '\0'.repeat(9);
