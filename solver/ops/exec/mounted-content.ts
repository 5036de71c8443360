import type { ContentDigest } from '../../../cache/content-selection.ts';
import type { LayerStack, TreeEntry } from '../../../cache/layers/layer-store.ts';
import { treeContent } from '../../../cache/trees/tree-content.ts';
import { type BytePath, displayPath, toBytePath } from '../../../src/core/byte-path.ts';
import { SlipwayError } from '../../../src/core/errors.ts';
import { type FileEntry, type FileTree, resolvePath } from '../../../src/core/file-tree.ts';
import type { ExecMount, Vertex } from '../../vertex.ts';
import { missingSource, type SourcePlace } from '../file/missing-source.ts';
import type { OpServices } from '../services.ts';

/** A mount whose files come from an input. */
export type InputMount = Extract<ExecMount, { type: 'bind' | 'cache' }>;

export function isInputMount(mount: ExecMount): mount is InputMount {
  return (mount.type === 'bind' || mount.type === 'cache') && mount.input !== 'scratch';
}

/** An input that is opened for reading; disposing lets go of it. */
export interface OpenInput extends SourcePlace, Disposable {}

/** The files of an input: of a build context, or of a stack. */
export async function openInput(
  input: Vertex,
  stack: LayerStack | 'local',
  { services, signal }: { readonly services: OpServices; readonly signal: AbortSignal },
): Promise<OpenInput> {
  if (stack !== 'local') {
    const view = await services.layers.view(stack, signal);
    return { tree: view, description: input.options.name, [Symbol.dispose]: () => view[Symbol.dispose]() };
  }
  if (input.op.kind !== 'local') throw new Error('internal: only a build context has no stack');
  const files = await services.context(input.op.name);
  return {
    tree: files.tree,
    description: files.description,
    excludedBy: (path) => files.excludedBy(path),
    [Symbol.dispose]: () => {},
  };
}

/** Digest of what the mounts show of one input, by the path that each has in the container. */
export async function digestMounted(
  { mounts, input, stack }: { mounts: readonly InputMount[]; input: Vertex; stack: LayerStack | 'local' },
  services: OpServices,
  signal: AbortSignal,
): Promise<ContentDigest> {
  using place = await openInput(input, stack, { services, signal });
  const roots = mounts.map((mount) => ({ path: mountedPath(place, mount), name: toBytePath(mount.target) }));
  return services.digestContent(place.tree, { roots }, signal);
}

/** Where in the input the mount's source is, symlinks followed within the input; an error where there is nothing. */
export function mountedPath(place: SourcePlace, mount: InputMount): BytePath {
  const path = resolvePath(place.tree, toBytePath(mount.source), 'follow');
  if (path === undefined || place.tree.lstat(path) === undefined)
    throw missingSource(place, mount.source, mount.source);
  return path;
}

/** A part of a tree as the entries of a layer: what is at `path` and below, and the folders that lead there. */
export function entriesBelow(tree: FileTree, path: BytePath): readonly TreeEntry[] {
  const entries: TreeEntry[] = [];
  const add = (at: BytePath, file: FileEntry) => {
    const content = file.type === 'file' ? { content: treeContent(tree, at, file) } : {};
    entries.push({ path: at, change: { kind: 'present', file, ...content } });
  };
  for (let slash = path.indexOf('/', 1); slash > 0; slash = path.indexOf('/', slash + 1)) {
    const folder = path.slice(0, slash) as BytePath;
    add(folder, entryAt(tree, folder));
  }
  const visit = (at: BytePath) => {
    const file = entryAt(tree, at);
    if (at !== '/') add(at, file);
    if (file.type !== 'dir') return;
    for (const name of tree.readdir(at)) visit((at === '/' ? `/${name}` : `${at}/${name}`) as BytePath);
  };
  visit(path);
  return entries;
}

function entryAt(tree: FileTree, path: BytePath): FileEntry {
  const entry = tree.lstat(path);
  if (entry !== undefined) return entry;
  throw new SlipwayError('SLIPWAY_CONTEXT_CHANGED', `${displayPath(path)} vanished while the build was reading it`, {
    hint: 'build again when nothing writes to the files',
  });
}
