import { cannotWrite, type Ids, makeFolders, resolveInRoot } from '../../../cache/trees/make-folders.ts';
import { treeContent } from '../../../cache/trees/tree-content.ts';
import type { WorkingTree } from '../../../cache/trees/working-tree.ts';
import { type BytePath, toBytePath } from '../../../src/core/byte-path.ts';
import { SlipwayError } from '../../../src/core/errors.ts';
import type { FileEntry, FileTree } from '../../../src/core/file-tree.ts';
import type { OpContext } from '../../solver.ts';
import type { CopyAction, FileAction, MakeDirAction, MakeFileAction, Owner, RemoveAction } from '../../vertex.ts';
import type { OpServices } from '../services.ts';
import { modeChange } from './chmod.ts';
import { copySource } from './copy-files.ts';
import { copyFilter } from './copy-filter.ts';
import { cleanComponents } from './file-pattern.ts';
import { missingSource, type SourcePlace } from './missing-source.ts';
import { resolveOwner } from './owner.ts';
import { selectSources } from './select-sources.ts';

/** Also the bits that a mode leaves to folders that are made on the way: BuildKit makes them under a umask. */
const FOLDER_MODE = 0o755;

/** What an action works on. */
export interface ActionTarget {
  readonly tree: WorkingTree;
  /** The root before the first action, where names of users are looked up. */
  readonly root: FileTree;
  /** What a copy reads from. */
  readonly source: SourcePlace;
  /** Seconds since 1970, for what the build itself makes. */
  readonly now: number;
  readonly services: OpServices;
  readonly context: OpContext;
}

/** Applies one action to the tree that is being written. */
export async function applyAction(action: FileAction, target: ActionTarget): Promise<void> {
  switch (action.action) {
    case 'copy':
      return copy(action, target);
    case 'mkfile':
      return makeFile(action, target);
    case 'mkdir':
      return makeDir(action, target);
    case 'rm':
      return remove(action, target);
    default: {
      const unknown: never = action;
      throw new Error(`internal: unknown file action ${JSON.stringify(unknown)}`);
    }
  }
}

async function copy(action: CopyAction, target: ActionTarget): Promise<void> {
  const { tree, source, now, context } = target;
  const { sources, missing } = selectSources(source.tree, action);
  if (missing !== undefined) throw missingSource(source, missing, action.written);
  const owner = ownerOf(action.owner, target);
  const mode = action.chmod === undefined ? undefined : modeChange(action.chmod);
  if (action.chmod !== undefined && mode === undefined) throw new Error(`internal: unchecked mode ${action.chmod}`);
  for (const found of sources) {
    const file = action.unpack ? source.tree.lstat(found.path) : undefined;
    if (file?.type === 'file') {
      const { addArchive } = await import('./add-archive.ts');
      const archive = { ...treeContent(source.tree, found.path, file), size: file.size };
      const isUnpacked = await addArchive(archive, action.destination, {
        tree,
        owner,
        now,
        folder: target.services.temporaryPath(),
        signal: context.signal,
      });
      if (isUnpacked) continue;
    }
    copySource(source.tree, found, tree, {
      destination: action.destination,
      contentsOnly: action.contentsOnly,
      owner,
      mode,
      parentMode: typeof action.chmod === 'number' ? action.chmod & FOLDER_MODE : FOLDER_MODE,
      filter: copyFilter(action),
      now,
      signal: context.signal,
    });
  }
}

function makeFile(action: MakeFileAction, target: ActionTarget): void {
  const owner = ownerOf(action.owner, target);
  const path = resolveInRoot(target.tree, action.destination);
  makeFolders(target.tree, parentOf(path), { parentMode: FOLDER_MODE, owner, now: target.now });
  if (target.tree.lstat(path)?.type === 'dir') {
    throw cannotWrite(path, 'it is a folder');
  }
  const bytes = Buffer.from(action.text, 'utf8');
  const ids = owner ?? { uid: 0, gid: 0 };
  const file: FileEntry = { type: 'file', mode: action.mode & 0o777, ...ids, size: bytes.length, mtime: target.now };
  target.tree.put(path, { file, content: { kind: 'bytes', bytes } });
}

function makeDir(action: MakeDirAction, target: ActionTarget): void {
  const path = resolveInRoot(target.tree, action.path);
  if (!action.parents && target.tree.lstat(parentOf(path)) === undefined) {
    throw new SlipwayError(
      'SLIPWAY_FOLDER_PARENT_MISSING',
      `cannot make the folder "${path}": its parent is not there`,
    );
  }
  const owner = ownerOf(action.owner, target);
  makeFolders(target.tree, path, { parentMode: action.mode & 0o777, owner, now: target.now });
}

/** Follows symlinks in front of the last component only, so that a symlink itself is removed. */
function remove(action: RemoveAction, { tree }: ActionTarget): void {
  const components = cleanComponents(action.path);
  const name = components.pop();
  if (name === undefined) throw new SlipwayError('SLIPWAY_REMOVE_ROOT', 'cannot remove the root folder of the image');
  const folder = resolveInRoot(tree, `/${components.join('/')}`);
  const path = toBytePath(`${folder === '/' ? '' : folder}/${name}`);
  if (tree.lstat(path) !== undefined) tree.remove(path);
  else if (!action.allowNotFound) {
    throw new SlipwayError('SLIPWAY_REMOVE_MISSING', `cannot remove "${action.path}": not found in the image`);
  }
}

function ownerOf(owner: Owner | undefined, { root, context }: ActionTarget): Ids | undefined {
  if (owner === undefined) return undefined;
  const { ids, unknown } = resolveOwner(owner, root);
  for (const name of unknown) {
    const message = `--chown: the image has no user or group "${name}"; root is taken instead`;
    context.progress.emit({ type: 'warning', at: Date.now(), code: 'OwnerUnknown', message });
  }
  return ids;
}

function parentOf(path: BytePath): BytePath {
  return (path.slice(0, path.lastIndexOf('/')) || '/') as BytePath;
}
