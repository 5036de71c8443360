import type { KeptMount } from '../../../cache/failed-steps/failed-step-store.ts';
import type { LayerStore } from '../../../cache/layers/layer-store.ts';
import type { CacheMountStore } from '../../../cache/mounts/cache-mount-store.ts';
import { toBytePath } from '../../../src/core/byte-path.ts';
import type { ContainerMount } from '../../../src/core/executor.ts';
import type { ExecMount } from '../../vertex.ts';
import { mountedPath, openInput } from './mounted-content.ts';
import type { MountRequest } from './prepare-mounts.ts';

/** A step's mounts, less those that cannot be had again later; these as phrases. */
export interface MountsToKeep {
  readonly mounts: readonly KeptMount[];
  readonly omitted: readonly string[];
}

/** What of a step's mounts can be kept. */
export async function mountsToKeep(request: MountRequest): Promise<MountsToKeep> {
  const mounts: KeptMount[] = [];
  const omitted: string[] = [];
  for (const mount of request.op.mounts) {
    const kept = await keep(mount, request);
    if (typeof kept === 'string') omitted.push(kept);
    else mounts.push(kept);
  }
  return { mounts, omitted };
}

async function keep(mount: ExecMount, request: MountRequest): Promise<KeptMount | string> {
  switch (mount.type) {
    case 'tmpfs':
      return mount;
    case 'secret':
      return `the secret "${mount.id}"`;
    case 'ssh':
      return `the ssh agent "${mount.id}"`;
    case 'cache': {
      const { id, mode, uid, gid, sharing, target } = mount;
      if (mount.input !== 'scratch') return `the cache "${id}" on ${target}, which begins with files from elsewhere`;
      const access = mount.readonly ? 'ro' : 'rw';
      return { type: 'cache', target, cache: { id, mode, uid, gid, sharing }, path: toBytePath(mount.source), access };
    }
    case 'bind':
      return keepBind(mount, request);
    default:
      throw new Error(`internal: unknown mount ${JSON.stringify(mount satisfies never)}`);
  }
}

async function keepBind(
  mount: Extract<ExecMount, { type: 'bind' }>,
  { vertex, inputs, services, signal }: MountRequest,
): Promise<KeptMount | string> {
  const { target } = mount;
  const access = mount.readwrite ? 'discard' : 'ro';
  if (mount.input === 'scratch') return { type: 'stack', target, stack: [], path: toBytePath('/'), access };
  const [input, stack] = [vertex.inputs[mount.input], inputs[mount.input]];
  if (input === undefined || stack === undefined) throw new Error(`internal: a RUN mounts input ${mount.input}`);
  if (stack === 'local') return `what was mounted from a build context on ${target}`;
  using place = await openInput(input, stack, { services, signal });
  return { type: 'stack', target, stack, path: mountedPath(place, mount), access };
}

/** The mounts again, held by `held`. */
export async function openKeptMounts(
  mounts: readonly KeptMount[],
  { layers, cacheMounts }: { readonly layers: LayerStore; readonly cacheMounts: CacheMountStore },
  { held, signal }: { readonly held: DisposableStack; readonly signal: AbortSignal },
): Promise<readonly ContainerMount[]> {
  const opened: ContainerMount[] = [];
  for (const mount of mounts) {
    switch (mount.type) {
      case 'tmpfs':
        opened.push(mount);
        break;
      case 'stack':
        opened.push({ ...mount, stack: held.use(await layers.mount(mount.stack, signal)) });
        break;
      case 'cache': {
        const { target, path, access } = mount;
        const { path: source } = held.use(await cacheMounts.acquire(mount.cache, signal));
        opened.push({ type: 'host', target, source, path, access });
        break;
      }
      default:
        throw new Error(`internal: unknown mount ${JSON.stringify(mount satisfies never)}`);
    }
  }
  return opened;
}
