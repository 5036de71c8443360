import type { TreeEntry } from '../../../cache/layers/layer-store.ts';
import type { CacheMount, CacheMountRequest, CacheMountSeed } from '../../../cache/mounts/cache-mount-store.ts';
import { nameOfType } from '../../../cache/trees/make-folders.ts';
import { type BytePath, toBytePath } from '../../../src/core/byte-path.ts';
import { canonicalJson } from '../../../src/core/digest.ts';
import { SlipwayError } from '../../../src/core/errors.ts';
import type { FileEntry, FileTree, FileType } from '../../../src/core/file-tree.ts';
import type { ExecMount } from '../../vertex.ts';
import { digestMounted, entriesBelow, mountedPath, type OpenInput, openInput } from './mounted-content.ts';
import type { MountRequest } from './prepare-mounts.ts';

type CacheMountOp = Extract<ExecMount, { type: 'cache' }>;

/** A cache in use, and what of it a mount shows. */
export interface AcquiredCache {
  readonly folder: CacheMount;
  readonly path: BytePath;
}

/** Where in its folder a cache has the one file that it began with. */
const ONLY_FILE = '/file' as BytePath;

/**
 * The folders of all cache mounts of a RUN. They are acquired in one order by everybody, so that two RUNs that lock the same ones
 * never wait for each other; a cache that is mounted twice is acquired once.
 */
export async function acquireCaches(
  request: MountRequest,
  held: AsyncDisposableStack,
): Promise<ReadonlyMap<ExecMount, AcquiredCache>> {
  const wanted: { mount: CacheMountOp; order: string; cache: CacheMountRequest; path: BytePath }[] = [];
  for (const mount of request.op.mounts) {
    if (mount.type !== 'cache') continue;
    const { id, mode, uid, gid, sharing } = mount;
    // With files to begin with, the source is what became the cache; without, it is a path in the cache.
    const begun =
      mount.input === 'scratch' ? { path: toBytePath(mount.source) } : await beginningOf(mount, mount.input, request);
    const { path, ...seed } = begun;
    const order = canonicalJson([id, mode, uid, gid, 'seed' in begun ? begun.seed.identity : undefined]);
    wanted.push({ mount, order, path, cache: { id, mode, uid, gid, sharing, ...seed } });
  }
  wanted.sort((a, b) => (a.order < b.order ? -1 : a.order > b.order ? 1 : 0));

  const folders = new Map<string, CacheMount>();
  const byMount = new Map<ExecMount, AcquiredCache>();
  for (const { mount, order, cache, path } of wanted) {
    const folder = folders.get(order) ?? held.use(await request.services.cacheMounts.acquire(cache, request.signal));
    folders.set(order, folder);
    byMount.set(mount, { folder, path });
  }
  return byMount;
}

async function beginningOf(
  mount: CacheMountOp,
  index: number,
  { vertex, inputs, services, signal }: MountRequest,
): Promise<{ readonly seed: CacheMountSeed; readonly path: BytePath }> {
  const [input, stack] = [vertex.inputs[index], inputs[index]];
  if (input === undefined || stack === undefined) throw new Error(`internal: a cache mount starts from input ${index}`);
  const { digest } = await digestMounted({ mounts: [mount], input, stack }, services, signal);
  using place = await openInput(input, stack, { services, signal });
  const { type } = fileAt(place, mount);
  if (type !== 'dir' && type !== 'file' && type !== 'fifo') throw notMountable(mount, type);
  const content = async () => {
    using source = await openInput(input, stack, { services, signal });
    const path = mountedPath(source, mount);
    const file = fileAt(source, mount);
    if (file.type === 'dir') return { root: file, entries: entriesIn(source.tree, path) };
    return {
      root: mount,
      entries: entriesBelow(source.tree, path)
        .slice(-1)
        .map(({ change }) => ({ path: ONLY_FILE, change })),
    };
  };
  return { seed: { identity: digest, content }, path: type === 'dir' ? ('/' as BytePath) : ONLY_FILE };
}

function fileAt(place: OpenInput, mount: CacheMountOp): FileEntry {
  const entry = place.tree.lstat(mountedPath(place, mount));
  if (entry === undefined) throw new Error(`internal: ${mount.source} was there`);
  return entry;
}

function notMountable({ source, target }: CacheMountOp, type: FileType): SlipwayError {
  const message = `the cache mount on "${target}" cannot start from "${source}": expected a folder or a file, found a ${nameOfType(type)}`;
  return new SlipwayError('SLIPWAY_CACHE_SOURCE_INVALID', message, {
    hint: 'a cache keeps files; RUN --device gives a step a device',
  });
}

/** What a folder of a tree has in it, as if it were the root. */
function entriesIn(tree: FileTree, folder: BytePath): readonly TreeEntry[] {
  const prefix = folder === '/' ? '' : folder;
  return entriesBelow(tree, folder)
    .filter((entry) => entry.path.startsWith(`${prefix}/`))
    .map((entry) => ({ ...entry, path: entry.path.slice(prefix.length) as BytePath }));
}
