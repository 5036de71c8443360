import type { LayerStack, MountedStack } from '../../../cache/layers/layer-store.ts';
import { type BytePath, toBytePath } from '../../../src/core/byte-path.ts';
import { SlipwayError } from '../../../src/core/errors.ts';
import type { ContainerMount } from '../../../src/core/executor.ts';
import type { ExecMount, ExecOp, Vertex } from '../../vertex.ts';
import type { OpServices } from '../services.ts';
import { type AcquiredCache, acquireCaches } from './cache-mounts.ts';
import { entriesBelow, mountedPath, openInput } from './mounted-content.ts';

/** A RUN's `--mount`s, ready for the executor for as long as what holds them is not disposed. */
export interface PreparedMounts {
  /** In the order in which they are made. */
  readonly container: readonly ContainerMount[];
  /** Variables that mounts bring: secrets, the ssh agent's socket. */
  readonly env: readonly string[];
}

/** A RUN about to start. */
export interface MountRequest {
  readonly op: ExecOp;
  readonly vertex: Vertex;
  readonly inputs: readonly (LayerStack | 'local')[];
  readonly services: OpServices;
  readonly signal: AbortSignal;
}

type MountOf<Type extends ExecMount['type']> = Extract<ExecMount, { type: Type }>;

/** What secrets may have in bytes, as in BuildKit. */
const SECRET_LIMIT = 500 * 1024;

/** Makes ready what the mounts show, and holds it by `held`: stacks, cache folders in their turn, agents. */
export async function prepareMounts(request: MountRequest, held: AsyncDisposableStack): Promise<PreparedMounts> {
  const container: ContainerMount[] = [];
  const env: string[] = [];
  const caches = await acquireCaches(request, held);
  for (const mount of request.op.mounts) {
    const prepared = await prepare(mount, { ...request, held, caches });
    container.push(...prepared.container);
    env.push(...prepared.env);
  }
  // Of two with one target the later one is mounted, in the place of the former, as in BuildKit.
  return { container: [...new Map(container.map((mount) => [mount.target, mount])).values()], env };
}

interface Preparation extends MountRequest {
  readonly held: AsyncDisposableStack;
  readonly caches: ReadonlyMap<ExecMount, AcquiredCache>;
}

type Prepared = PreparedMounts;

async function prepare(mount: ExecMount, preparation: Preparation): Promise<Prepared> {
  switch (mount.type) {
    case 'bind':
      return { container: [await bind(mount, preparation)], env: [] };
    case 'cache':
      return { container: [cache(mount, preparation.caches)], env: [] };
    case 'tmpfs':
      return { container: [mount], env: [] };
    case 'secret':
      return secret(mount, preparation.services);
    case 'ssh':
      return ssh(mount, preparation);
    default:
      throw new Error(`internal: unknown mount ${JSON.stringify(mount satisfies never)}`);
  }
}

async function bind(mount: MountOf<'bind'>, preparation: Preparation): Promise<ContainerMount> {
  const { target } = mount;
  const access = mount.readwrite ? ('discard' as const) : ('ro' as const);
  if (mount.input === 'scratch')
    return { type: 'stack', target, stack: { lowerDirs: [] }, path: toBytePath('/'), access };
  const { stack, path } = await bindSource(mount, mount.input, preparation);
  return { type: 'stack', target, stack, path, access };
}

/** A build context is copied as far as it is mounted: what the user has in the folder stays out of the container's reach. */
async function bindSource(
  mount: MountOf<'bind'>,
  index: number,
  { vertex, inputs, services, signal, held }: Preparation,
): Promise<{ readonly stack: MountedStack; readonly path: BytePath }> {
  const [input, stack] = [vertex.inputs[index], inputs[index]];
  if (input === undefined || stack === undefined) throw new Error(`internal: a RUN mounts input ${index}`);
  using place = await openInput(input, stack, { services, signal });
  const path = mountedPath(place, mount);
  const layers = stack === 'local' ? [services.layers.addTree(entriesBelow(place.tree, path))] : stack;
  return { stack: held.use(await services.layers.mount(layers, signal)), path };
}

function cache(mount: MountOf<'cache'>, caches: ReadonlyMap<ExecMount, AcquiredCache>): ContainerMount {
  const acquired = caches.get(mount);
  if (acquired === undefined) throw new Error(`internal: no folder for the cache mount ${mount.id}`);
  const { folder, path } = acquired;
  return { type: 'host', target: mount.target, source: folder.path, path, access: mount.readonly ? 'ro' : 'rw' };
}

function secret(mount: MountOf<'secret'>, services: OpServices): Prepared {
  const data = services.secret(mount.id);
  if (data === undefined) return absent(mount, `--secret id=${mount.id},src=<file>`);
  if (data.length > SECRET_LIMIT)
    throw new SlipwayError(
      'SLIPWAY_SECRET_TOO_LARGE',
      `the secret "${mount.id}" has ${data.length} bytes; no more than ${SECRET_LIMIT} are allowed`,
    );
  const { target, uid, gid, mode } = mount;
  return {
    container: target === undefined ? [] : [{ type: 'secret', target, data, uid, gid, mode }],
    env: mount.env === undefined ? [] : [`${mount.env}=${Buffer.from(data).toString()}`],
  };
}

async function ssh(mount: MountOf<'ssh'>, { services, held }: Preparation): Promise<Prepared> {
  const agent = await services.sshAgent(mount.id);
  if (agent === undefined) return absent(mount, `--ssh ${mount.id}`);
  held.use(agent);
  const { target, uid, gid, mode } = mount;
  return {
    container: [{ type: 'socket', target, source: agent.socket, uid, gid, mode }],
    env: [`SSH_AUTH_SOCK=${target}`],
  };
}

function absent(mount: MountOf<'secret' | 'ssh'>, option: string): Prepared {
  if (!mount.required) return { container: [], env: [] };
  const [code, what] =
    mount.type === 'secret'
      ? (['SLIPWAY_SECRET_MISSING', 'secret'] as const)
      : (['SLIPWAY_SSH_MISSING', 'ssh agent'] as const);
  throw new SlipwayError(code, `the ${what} "${mount.id}" is required and was not given`, {
    hint: `add ${option} to the command line`,
  });
}
