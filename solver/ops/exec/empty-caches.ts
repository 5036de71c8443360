import type { CacheMountStore } from '../../../cache/mounts/cache-mount-store.ts';
import type { Vertex } from '../../vertex.ts';

/**
 * Empties the cache mounts of every RUN that is to be run again whatever the cache has (`--no-cache`), as BuildKit does before it solves:
 * such a build starts from nothing.
 */
export function emptyRenewedCaches(roots: readonly Vertex[], caches: CacheMountStore): void {
  const seen = new Set<Vertex>();
  const ids = new Set<string>();
  const visit = (vertex: Vertex) => {
    if (seen.has(vertex)) return;
    seen.add(vertex);
    vertex.inputs.forEach(visit);
    if (vertex.op.kind !== 'exec' || vertex.options.ignoreCache !== true) return;
    for (const mount of vertex.op.mounts) if (mount.type === 'cache') ids.add(mount.id);
  };
  roots.forEach(visit);
  for (const id of ids) caches.empty(id);
}
