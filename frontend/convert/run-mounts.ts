import type { ExecMount } from '../../solver/vertex.ts';
import { SlipwayError } from '../../src/core/errors.ts';
import type { RunInstruction, RunMount } from '../instructions/instruction.ts';
import { parseRunMount } from '../instructions/run-mount.ts';
import type { GraphInputs } from './graph-inputs.ts';
import { joinPath, rootedPath } from './paths.ts';
import type { Root, StageState, StepScope } from './stage-state.ts';
import { expand } from './variables.ts';

const CACHE_MODE = 0o755;
/** BuildKit makes the folder under a umask of 022 and without set-id bits. */
const CACHE_MODE_BITS = 0o755;
const SECRET_MODE = 0o400;
const SSH_MODE = 0o600;

/** The mounts of a RUN with variables replaced and values checked. */
export function expandMounts(run: RunInstruction, state: StageState, scope: StepScope): readonly RunMount[] {
  return run.mounts.map(({ written }) => parseRunMount(written, (value) => expand(value, state, scope)));
}

interface MountScope {
  readonly state: StageState;
  readonly scope: StepScope;
  readonly inputs: GraphInputs;
}

/** The mounts as an exec op has them, with every default filled in. */
export function execMounts(mounts: readonly RunMount[], mountScope: MountScope): readonly ExecMount[] {
  let agents = 0;
  return mounts.map((mount, index) => {
    if (mount.type === 'secret') return secretMount(mount, mountScope.state);
    if (mount.type === 'ssh') return sshMount(mount, { state: mountScope.state, number: agents++ });
    const target = targetOf(mount, mountScope.state);
    switch (mount.type) {
      case 'tmpfs':
        return { type: 'tmpfs', target, ...(mount.sizeBytes ? { sizeBytes: mount.sizeBytes } : {}) };
      case 'bind': {
        const input = mountScope.inputs.refer(filesOf(mount, index, mountScope));
        return { type: 'bind', target, input, source: rootedPath(mount.source ?? ''), readwrite: !mount.readonly };
      }
      case 'cache':
        return cacheMount(mount, { ...mountScope, index, target });
      default:
        return mount.type satisfies never;
    }
  });
}

function targetOf({ target = '', written }: RunMount, state: StageState): string {
  const path = inWorkdir(target, state);
  if (path !== '/') return path;
  throw new SlipwayError('SLIPWAY_MOUNT_INVALID', `invalid mount target "${path}" in --mount=${written}`, {
    hint: target === '' ? 'give the mount a target=PATH' : 'a mount cannot cover the whole root',
  });
}

function inWorkdir(target: string, { workdir }: StageState): string {
  return target.startsWith('/') ? rootedPath(target) : joinPath('/', workdir, target);
}

/** The filesystem that a mount shows: of a stage, an image or a named context, else the main context. */
function filesOf({ from, target = '' }: RunMount, index: number, { scope }: MountScope): Root {
  const source = scope.step.sources[index];
  if (source === undefined) return scope.context;
  return scope.rootOf(
    source,
    `cannot mount from stage ${JSON.stringify(from)} to ${JSON.stringify(target)}, stage needs to be defined before current command`,
  );
}

interface CacheScope extends MountScope {
  readonly index: number;
  readonly target: string;
}

/** A cache begins with the files of `from`, or empty; permissions are those of the empty folder that it begins as. */
function cacheMount(mount: RunMount, cacheScope: CacheScope): ExecMount {
  const { index, target, inputs, scope } = cacheScope;
  const { id, source = '', mode, uid, gid, sharing = 'shared', readonly } = mount;
  const isEmpty = mount.from === undefined || mount.from === '' || mount.from === 'scratch';
  const hasPermissions = mode !== undefined || uid !== undefined || gid !== undefined;
  const path = rootedPath(source);
  const namespace = scope.request.buildArgs.BUILDKIT_CACHE_MOUNT_NS;
  const name = id || joinPath(mount.target || '.');
  return {
    type: 'cache',
    target,
    id: namespace ? `${namespace}/${name}` : name,
    input: isEmpty || (hasPermissions && path === '/') ? 'scratch' : inputs.refer(filesOf(mount, index, cacheScope)),
    source: path,
    sharing,
    readonly,
    mode: (mode ?? CACHE_MODE) & CACHE_MODE_BITS,
    uid: uid ?? 0,
    gid: gid ?? 0,
  };
}

function secretMount(mount: RunMount, state: StageState): ExecMount {
  const id = mount.source || mount.id || basename(mount.target ?? '');
  const standard = mount.env === undefined ? `/run/secrets/${basename(id)}` : undefined;
  const target = mount.target ? inWorkdir(mount.target, state) : standard;
  return {
    type: 'secret',
    id,
    ...(target === undefined ? {} : { target }),
    ...(mount.env === undefined ? {} : { env: mount.env || id }),
    required: mount.required,
    mode: mount.mode ?? SECRET_MODE,
    uid: mount.uid ?? 0,
    gid: mount.gid ?? 0,
  };
}

function sshMount(
  mount: RunMount,
  { state, number }: { readonly state: StageState; readonly number: number },
): ExecMount {
  if (mount.source)
    throw new SlipwayError('SLIPWAY_MOUNT_INVALID', `ssh does not support source, in --mount=${mount.written}`, {
      hint: 'an ssh mount is named by id=NAME',
    });
  return {
    type: 'ssh',
    id: mount.id || 'default',
    target: mount.target ? inWorkdir(mount.target, state) : `/run/buildkit/ssh_agent.${number}`,
    required: mount.required,
    mode: mount.mode ?? SSH_MODE,
    uid: mount.uid ?? 0,
    gid: mount.gid ?? 0,
  };
}

function basename(path: string): string {
  return path.slice(path.lastIndexOf('/') + 1);
}
