import { lstatSync, readdirSync, renameSync, rmSync } from 'node:fs';
import { errnoOf } from '../src/core/errors.ts';
import type { Database } from './database.ts';
import { isProcessIdentity, livenessOf } from './process-identity.ts';

/** How old what cannot be attributed to a dead process must be before it is removed, in milliseconds. */
const GRACE = 24 * 60 * 60 * 1000;
/** How long a folder in layers/ may be without its row: the moment between a rename and a transaction, generously. */
const UNREGISTERED_GRACE = 60 * 60 * 1000;

/** Where leftovers are looked for. `own`: this process's folder below `temporary`; what is removed is moved there first. */
export interface LeftoverFolders {
  readonly temporary: string;
  readonly layers: string;
  readonly own: string;
  readonly database: Database;
}

/**
 * Removes what dead processes left: their folders in tmp/, and folders in layers/ that never got their row. What may belong to a
 * living process is never touched. What this user may not remove stays.
 */
export function removeLeftovers(folders: LeftoverFolders): void {
  const removals: string[] = [];
  for (const name of readdirSync(folders.temporary)) {
    const path = `${folders.temporary}/${name}`;
    if (path !== folders.own && isAbandoned(path, name.split('.')[0] ?? '')) removals.push(path);
  }
  const known = folders.database.statement('SELECT 1 FROM layer_folders WHERE folder = ?');
  for (const name of readdirSync(folders.layers)) {
    const path = `${folders.layers}/${name}`;
    if (known.get(name) === undefined && isOlderThan(path, UNREGISTERED_GRACE)) removals.push(path);
  }
  removals.forEach((path, index) => {
    remove(path, `${folders.own}/leftover-${index}`);
  });
}

function isAbandoned(path: string, owner: string): boolean {
  const liveness = isProcessIdentity(owner) ? livenessOf(owner) : 'unknown';
  return liveness === 'dead' || (liveness === 'unknown' && isOlderThan(path, GRACE));
}

/** By ctime, which a rename sets and which nothing a build does can set back. */
function isOlderThan(path: string, age: number): boolean {
  const stats = lstatSync(path, { throwIfNoEntry: false });
  return stats !== undefined && stats.ctimeMs < Date.now() - age;
}

/** Moving first makes sure that of two processes that clean up at the same time only one removes, and that nobody sees half of it. */
function remove(path: string, aside: string): void {
  try {
    renameSync(path, aside);
    rmSync(aside, { recursive: true, force: true });
  } catch (error) {
    const errno = errnoOf(error);
    if (errno !== 'ENOENT' && errno !== 'EACCES' && errno !== 'EPERM' && errno !== 'EBUSY') throw error;
  }
}
