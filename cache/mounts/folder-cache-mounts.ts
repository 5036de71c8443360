import { chmodSync, chownSync, existsSync, mkdirSync, readdirSync, renameSync, rmSync, utimesSync } from 'node:fs';
import { setTimeout } from 'node:timers/promises';
import { digestOfJson, hexOf } from '../../src/core/digest.ts';
import { errnoOf } from '../../src/core/errors.ts';
import { overlayXattrPrefixOf } from '../layers/overlay-format.ts';
import { writeTree } from '../layers/write-tree.ts';
import { type Lease, openLeases } from '../leases.ts';
import type { Store } from '../store.ts';
import type { CacheMount, CacheMountRequest, CacheMountStore } from './cache-mount-store.ts';

/** How often a waiting `locked` mount looks again, in milliseconds. */
const POLL = 50;
/** The mounted folder inside a cache's own one, which is never empty because of it: a rename cannot replace one that is in use. */
const CONTENT = 'content';

/**
 * Cache mounts as folders `mounts/<hash of the id>-<hash of the rest>-<n>/content`: `n` above 0 are those that `private` and `shared`
 * users got because others were in the way. Who is using which stands in the store's leases, so that a process that dies lets go of its own.
 */
export function openCacheMounts(store: Store): CacheMountStore {
  const leases = openLeases(store.database);
  return {
    async acquire(request, signal) {
      const { id, mode, uid, gid, seed, sharing } = request;
      const rest = hexOf(digestOfJson(seed === undefined ? { mode, uid, gid } : { seed: seed.identity }));
      for (let slot = 0; ; slot = sharing === 'locked' ? 0 : slot + 1) {
        signal.throwIfAborted();
        const name = `${hashOfId(id)}-${rest.slice(0, 16)}-${slot}`;
        const lease = leases.tryHold(`mount:${name}`, sharing === 'shared' ? 'shared' : 'exclusive');
        if (lease !== undefined) return await openFolder(store, { name, request, lease, signal });
        if (sharing === 'locked') await setTimeout(POLL, undefined, { signal });
      }
    },
    empty(id) {
      const mounts = store.folder('mounts');
      for (const name of readdirSync(mounts)) {
        if (!name.startsWith(`${hashOfId(id)}-`)) continue;
        using lease = leases.tryHold(`mount:${name}`, 'exclusive');
        // Whoever uses it now began before, and keeps what it has.
        if (lease !== undefined) renameSync(`${mounts}/${name}`, store.temporaryPath());
      }
    },
  };
}

/** Short enough for a name with the rest beside it. */
function hashOfId(id: string): string {
  return hexOf(digestOfJson({ id })).slice(0, 48);
}

interface FolderRequest {
  readonly name: string;
  readonly request: CacheMountRequest;
  readonly lease: Lease;
  readonly signal: AbortSignal;
}

async function openFolder(store: Store, { name, request, lease, signal }: FolderRequest): Promise<CacheMount> {
  const folder = `${store.folder('mounts')}/${name}`;
  try {
    if (!existsSync(folder)) await makeFolder(store, folder, { request, signal });
    // The time of its last use, for prune; what a step changes in it does not show here.
    const now = new Date();
    utimesSync(folder, now, now);
  } catch (error) {
    lease[Symbol.dispose]();
    throw error;
  }
  return { path: `${folder}/${CONTENT}`, [Symbol.dispose]: () => lease[Symbol.dispose]() };
}

/** Made aside and renamed into place, so that nobody sees one that is half filled; of two that are made at once one wins. */
async function makeFolder(
  store: Store,
  folder: string,
  { request, signal }: { readonly request: CacheMountRequest; readonly signal: AbortSignal },
): Promise<void> {
  const seeded = await request.seed?.content();
  const { mode, uid, gid } = seeded?.root ?? request;
  const temporary = store.temporaryPath();
  const content = `${temporary}/${CONTENT}`;
  mkdirSync(content, { recursive: true, mode: 0o700 });
  if (seeded !== undefined)
    await writeTree(seeded.entries, { root: content, prefix: overlayXattrPrefixOf(store), below: undefined }, signal);
  if (uid !== 0 || gid !== 0) chownSync(content, uid, gid);
  chmodSync(content, mode);
  try {
    renameSync(temporary, folder);
  } catch (error) {
    if (errnoOf(error) !== 'ENOTEMPTY' && errnoOf(error) !== 'EEXIST') throw error;
    rmSync(temporary, { recursive: true });
  }
}
