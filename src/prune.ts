import { openContentStore } from '../cache/content/file-content-store.ts';
import { openImageStore } from '../cache/images/image-store.ts';
import { openLeases } from '../cache/leases.ts';
import { type PruneOptions, type PruneReport, prune } from '../cache/prune/prune.ts';
import { openStore } from '../cache/store.ts';

export type { PruneOptions, PruneReport };

/** Prunes the store in the folder `root`: see cache/prune. What dead processes left in its tmp/ goes as well. */
export function pruneStore(root: string, options: PruneOptions): PruneReport {
  using store = openStore(root);
  // The first path of a process looks for leftovers.
  store.temporaryPath();
  const { database } = store;
  const content = openContentStore(store);
  return prune({ store, content, leases: openLeases(database), images: openImageStore(database) }, options);
}
