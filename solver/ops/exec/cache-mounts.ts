import type { TreeEntry } from '../../../cache/layers/layer-store.ts';
import type { CacheMount, CacheMountRequest, CacheMountSeed } from '../../../cache/mounts/cache-mount-store.ts';
import { nameOfType } from '../../../cache/trees/make-folders.ts';
import type { BytePath } from '../../../src/core/byte-path.ts';
import { canonicalJson } from '../../../src/core/digest.ts';
import { SlipwayError } from '../../../src/core/errors.ts';
import type { FileTree, FileType } from '../../../src/core/file-tree.ts';
import type { ExecMount } from '../../vertex.ts';
import { digestMounted, entriesBelow, mountedPath, openInput } from './mounted-content.ts';
import type { MountRequest } from './prepare-mounts.ts';

type CacheMountOp = Extract<ExecMount, { type: 'cache' }>;

/**
 * The folders of all cache mounts of a RUN. They are acquired in one order by everybody, so that two RUNs that lock the same ones
 * never wait for each other; a cache that is mounted twice is acquired once.
 */
export async function acquireCaches(
  request: MountRequest,
  held: AsyncDisposableStack,
): Promise<ReadonlyMap<ExecMount, CacheMount>> {
  const wanted: { mount: CacheMountOp; order: string; cache: CacheMountRequest }[] = [];
  for (const mount of request.op.mounts) {
    if (mount.type !== 'cache') continue;
    const { id, mode, uid, gid, sharing } = mount;
    const seed = mount.input === 'scratch' ? undefined : await seedOf(mount, mount.input, request);
    const order = canonicalJson([id, mode, uid, gid, seed?.identity]);
    wanted.push({ mount, order, cache: { id, mode, uid, gid, sharing, ...(seed === undefined ? {} : { seed }) } });
  }
  wanted.sort((a, b) => (a.order < b.order ? -1 : a.order > b.order ? 1 : 0));

  const folders = new Map<string, CacheMount>();
  const byMount = new Map<ExecMount, CacheMount>();
  for (const { mount, order, cache } of wanted) {
    const folder = folders.get(order) ?? held.use(await request.services.cacheMounts.acquire(cache, request.signal));
    folders.set(order, folder);
    byMount.set(mount, folder);
  }
  return byMount;
}

async function seedOf(
  mount: CacheMountOp,
  index: number,
  { vertex, inputs, services, signal }: MountRequest,
): Promise<CacheMountSeed> {
  const [input, stack] = [vertex.inputs[index], inputs[index]];
  if (input === undefined || stack === undefined) throw new Error(`internal: a cache mount starts from input ${index}`);
  const { digest } = await digestMounted({ mounts: [mount], input, stack }, services, signal);
  return {
    identity: digest,
    content: async () => {
      using place = await openInput(input, stack, { services, signal });
      const folder = mountedPath(place, mount);
      const entry = place.tree.lstat(folder);
      if (entry !== undefined && entry.type !== 'dir') throw notFolder(mount, entry.type);
      const { mode, uid, gid } = entry ?? mount;
      return { root: { mode, uid, gid }, entries: entriesIn(place.tree, folder) };
    },
  };
}

function notFolder({ source, target }: CacheMountOp, type: FileType): SlipwayError {
  const message = `the cache mount on "${target}" cannot start from "${source}": expected a folder, found a ${nameOfType(type)}`;
  return new SlipwayError('SLIPWAY_CACHE_SOURCE_INVALID', message, {
    hint: 'name the folder that the file is in, or mount the file with type=bind',
  });
}

/** What a folder of a tree has in it, as if it were the root. */
function entriesIn(tree: FileTree, folder: BytePath): readonly TreeEntry[] {
  const prefix = folder === '/' ? '' : folder;
  return entriesBelow(tree, folder)
    .filter((entry) => entry.path.startsWith(`${prefix}/`))
    .map((entry) => ({ ...entry, path: entry.path.slice(prefix.length) as BytePath }));
}
