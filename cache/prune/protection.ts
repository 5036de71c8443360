import type { Digest } from '../../src/core/digest.ts';
import type { ContentStore } from '../content/content-store.ts';
import type { ImageStore } from '../images/image-store.ts';
import { referencedBlobs } from '../images/referenced-blobs.ts';
import { livingLeases } from '../leases.ts';
import { USE_RESOLUTION } from '../records/sqlite-record-store.ts';
import type { Store } from '../store.ts';
import type { PruneItem } from './inventory.ts';

/** What must not be removed now. */
export interface Protection {
  /** Blobs of the images that have a name. */
  readonly imageBlobs: ReadonlySet<Digest>;
  readonly isBuilding: boolean;
  protects(item: PruneItem): boolean;
}

/**
 * Finds out in a transaction of the caller's, so that whoever begins to use something either did it before, and is seen here, or finds it
 * gone. Of a build that runs, everything is protected that it may have found to be there: what was used since it began, by times that
 * are up to `USE_RESOLUTION` old.
 */
export function currentProtection({ database }: Store, images: ImageStore, content: ContentStore): Protection {
  const leases = livingLeases(database);
  const builds = leases.filter(({ resource }) => resource.startsWith('build:'));
  const since = Math.min(...builds.map((build) => build.created_at)) - USE_RESOLUTION;
  const held = new Set(leases.map(({ resource }) => resource));
  const isBuilding = builds.length > 0;
  const downloads = new Set<unknown>();
  // A download is found again by its address, which leaves no trace.
  if (isBuilding)
    for (const { digest } of database.statement('SELECT digest FROM downloads').all()) downloads.add(digest);
  return {
    imageBlobs: referencedBlobs(images, content),
    isBuilding,
    protects: ({ kind, id, lastUse }) => lastUse >= since || held.has(`${kind}:${id}`) || downloads.has(id),
  };
}
