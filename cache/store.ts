import { randomBytes } from 'node:crypto';
import { chmodSync, chownSync, mkdirSync, rmSync, statSync } from 'node:fs';
import { errnoOf, SlipwayError } from '../src/core/errors.ts';
import { type Database, openDatabase } from './database.ts';
import { removeLeftovers } from './leftovers.ts';
import { ownIdentity } from './process-identity.ts';
import { makeQuickFolder, spreadSubfolders } from './quick-folder.ts';

/** The folders in a store's root. */
export type StoreFolder = 'blobs/sha256' | 'git' | 'layers' | 'mounts' | 'tmp';

/**
 * Everything that outlives a build: `$SLIPWAY_ROOT` with `blobs/sha256` (as in an OCI image layout), `layers` (folders for
 * overlayfs), `mounts` (cache mounts), `git` (bare repositories), `tmp` and `slipway.db`. Any number of processes use it at the same
 * time.
 */
export interface Store extends Disposable {
  readonly root: string;
  readonly database: Database;
  /** A folder's path; the folder is made when it is first asked for. */
  folder(name: StoreFolder): string;
  /**
   * A path that does not exist yet, in a folder of this process under `tmp` on the same filesystem as all else. What is left there
   * is removed when the store is disposed, or by another process after this one died.
   */
  temporaryPath(): string;
}

/**
 * Opens the store at `root`, or makes it (mode 0700). `SLIPWAY_STORE_DENIED` where it may not be written, `SLIPWAY_STORE_NEWER` where a
 * newer slipway made it. The caller disposes it.
 */
export function openStore(root: string): Store {
  makeFolder(root);
  const database = openDatabase(`${root}/slipway.db`);
  const made = new Set<string>();
  let processFolder: string | undefined;
  let count = 0;

  const folder = (name: StoreFolder) => {
    const path = `${root}/${name}`;
    // Layers begin as folders of tmp/.
    if (!made.has(name) && makeFolder(path) && name === 'tmp') spreadSubfolders(path);
    made.add(name);
    return path;
  };
  const ownFolder = () => {
    const temporary = folder('tmp');
    const path = makeQuickFolder(() => {
      // Not the identity alone: one process may have the store open twice.
      const made = `${temporary}/${ownIdentity()}.${randomBytes(4).toString('hex')}`;
      makeFolder(made);
      return made;
    });
    removeLeftovers({ temporary, layers: folder('layers'), own: path, database });
    return path;
  };
  return {
    root,
    database,
    folder,
    temporaryPath: () => {
      processFolder ??= ownFolder();
      return `${processFolder}/${count++}`;
    },
    [Symbol.dispose]: () => {
      database[Symbol.dispose]();
      if (processFolder !== undefined) rmSync(processFolder, { recursive: true, force: true });
    },
  };
}

const SETGID = 0o2000;

/** In a setgid folder everything gets the folder's group, and so would the files of layers, whose group says who they belong to. */
function dropInheritedGroup(path: string): void {
  const { mode, uid } = statSync(path);
  if ((mode & SETGID) === 0) return;
  chownSync(path, uid, process.getegid?.() ?? 0);
  chmodSync(path, 0o700);
}

/** Whether it was not there yet. */
function makeFolder(path: string): boolean {
  try {
    if (mkdirSync(path, { recursive: true, mode: 0o700 }) === undefined) return false;
    dropInheritedGroup(path);
    return true;
  } catch (error) {
    const errno = errnoOf(error);
    if (errno !== 'EACCES' && errno !== 'EPERM' && errno !== 'EROFS' && errno !== 'ENOTDIR' && errno !== 'EEXIST')
      throw error;
    throw new SlipwayError('SLIPWAY_STORE_DENIED', `cannot make the store folder ${path}: ${errno}`, {
      hint: 'name a folder that you may write with SLIPWAY_ROOT or --root',
      cause: error,
    });
  }
}
