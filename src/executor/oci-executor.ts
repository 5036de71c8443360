import { chmodSync, chownSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { type BytePath, hostPath, toBytePath } from '../core/byte-path.ts';
import { errnoOf, SlipwayError } from '../core/errors.ts';
import type {
  ContainerMount,
  Executor,
  ExecutorContext,
  ProcessIO,
  ProcessSpec,
  WritableRoot,
} from '../core/executor.ts';
import { type FileTree, resolvePath } from '../core/file-tree.ts';
import { syscalls } from '../core/syscalls.ts';
import { lookupUser, readUserFiles, type UnixUser } from '../core/unix-users.ts';
import { inUserNamespace } from '../core/user-namespace.ts';
import { runContainer } from './container-process.ts';
import { type MountPlace, makeMountStubs } from './mount-stubs.ts';
import { hostsFile, resolvConfFile } from './network-files.ts';
import type { OciRuntime } from './oci-runtime.ts';
import { kernelMounts, type OciMount, ociSpec } from './oci-spec.ts';
import { mountOverlay, type OverlayXattrs } from './overlay.ts';
import { PrivateMounts } from './private-mounts.ts';
import { rootView } from './root-view.ts';
import { runtimeFailure } from './runtime-failure.ts';
import { SeccompFilters } from './seccomp/seccomp-filters.ts';
import { prepareMount } from './step-mounts.ts';

export interface OciExecutorOptions {
  readonly runtime: OciRuntime;
  /** A folder of the store for the executor alone, made where it is missing. Any number of processes may share it. */
  readonly stateDir: string;
  /** A folder of the store for what is thrown away: leftovers in it are garbage. */
  readonly scratchDir: string;
  /** How the store's layers mark removals. */
  readonly xattrs: OverlayXattrs;
}

/** Runs steps with an OCI runtime (crun, runc). */
export class OciExecutor implements Executor {
  readonly name: string;
  readonly #runtime: OciRuntime;
  readonly #mounts: PrivateMounts;
  readonly #scratchDir: string;
  readonly #xattrs: OverlayXattrs;
  readonly #seccomp: SeccompFilters;

  constructor(options: OciExecutorOptions) {
    this.name = options.runtime.name;
    this.#runtime = options.runtime;
    this.#mounts = new PrivateMounts(`${options.stateDir}/mnt`);
    this.#scratchDir = options.scratchDir;
    this.#xattrs = options.xattrs;
    this.#seccomp = new SeccompFilters(options.runtime, options.stateDir);
  }

  async run(
    spec: ProcessSpec,
    root: WritableRoot,
    mounts: readonly ContainerMount[],
    io: ProcessIO,
    { signal }: ExecutorContext,
  ): Promise<void> {
    signal.throwIfAborted();
    refuseUnsupported(spec);
    using cleanup = new DisposableStack();
    const { path: folder } = cleanup.use(this.#mounts.folder(spec.id));
    this.#writeBundle(folder, { spec, root, mounts, cleanup });
    const log = `${folder}/log`;
    const { status } = await runContainer(
      [
        ...[this.#runtime.path, '--root', `${folder}/state`, '--log', log, '--log-format', 'json'],
        ...[...this.#runtime.options, 'run', '--bundle', folder, spec.id],
      ],
      io,
      signal,
    );
    if (status === 0) return;
    signal.throwIfAborted();
    throw runtimeFailure(spec.args, status, readLog(log));
  }

  /** Everything that the runtime needs below `folder`: the root, the mounts' sources and config.json. */
  #writeBundle(folder: string, step: Step): void {
    const { spec, root, mounts, cleanup } = step;
    const options = { folder, scratchDir: this.#scratchDir, xattrs: this.#xattrs, cleanup };
    const prepared = mounts.map((mount, index) => ({ target: mount.target, ...prepareMount(mount, index, options) }));
    const wanted: WantedMount[] = [
      ...kernelMounts(spec, inUserNamespace()).map(({ destination }) => ({
        target: destination,
        kind: 'dir' as const,
      })),
      ...networkFileMounts(folder, spec),
      ...prepared,
    ];
    const { rootPath, placed } = mountRoot({ folder, xattrs: this.#xattrs }, root, wanted);
    const view = rootView(rootPath);
    // Also for a user of numbers alone: runc reads the files itself, and would wait for ever on a fifo.
    const user = lookupUser(readUserFiles(view), spec.user);
    const config = ociSpec(spec, {
      rootPath,
      user,
      cwd: makeWorkingFolder(view, spec.cwd, { user, mounts: placed.map(({ path }) => path) }),
      mounts: placed.flatMap(({ path, mount }) =>
        mount === undefined ? [] : [{ destination: Buffer.from(path, 'latin1').toString(), ...mount }],
      ),
      seccomp: this.#seccomp.filter(spec.security),
      userNamespace: inUserNamespace(),
    });
    writeFileSync(`${folder}/config.json`, JSON.stringify(config), { mode: 0o600 });
  }
}

interface Step {
  readonly spec: ProcessSpec;
  readonly root: WritableRoot;
  readonly mounts: readonly ContainerMount[];
  readonly cleanup: DisposableStack;
}

/** A mount by the target that was asked for. Those without `mount` are the kernel's, which `ociSpec` adds itself. */
interface WantedMount {
  readonly target: string;
  readonly kind: MountPlace['kind'];
  readonly mount?: Omit<OciMount, 'destination'>;
}

type PlacedMount = MountPlace & Pick<WantedMount, 'mount'>;

function refuseUnsupported({ resources, cgroupParent, devices }: ProcessSpec): void {
  const refuse = (what: string) => {
    throw new SlipwayError(
      'SLIPWAY_RUN_OPTION_UNSUPPORTED',
      `${what} is not supported yet by the OCI runtime executor`,
    );
  };
  if (resources !== undefined && Object.keys(resources).length > 0) refuse(`--resource ${Object.keys(resources)[0]}`);
  if (cgroupParent !== undefined && cgroupParent !== '') refuse(`--cgroup-parent ${cgroupParent}`);
  if (devices.length > 0) refuse(`RUN --device=${devices[0]}`);
}

/** /etc/resolv.conf and /etc/hosts, which a step reads but cannot change. */
function networkFileMounts(folder: string, spec: ProcessSpec): WantedMount[] {
  const files = [
    { target: '/etc/resolv.conf', source: `${folder}/resolv.conf`, text: resolvConfFile() },
    { target: '/etc/hosts', source: `${folder}/hosts`, text: hostsFile(spec) },
  ];
  return files.map(({ target, source, text }) => {
    writeFileSync(source, text, { mode: 0o644 });
    const options = ['rbind', 'nosuid', 'noexec', 'nodev', 'ro'];
    return { target, kind: 'file', mount: { type: 'none', source, options } };
  });
}

/** Mounts the step's root below `folder`, with a place for every mount, and says where in it each will lie. */
function mountRoot(
  { folder, xattrs }: { readonly folder: string; readonly xattrs: OverlayXattrs },
  root: WritableRoot,
  wanted: readonly WantedMount[],
): { readonly rootPath: string; readonly placed: readonly PlacedMount[] } {
  const make = (name: string) => {
    mkdirSync(`${folder}/${name}`, 0o755);
    return `${folder}/${name}`;
  };
  const [rootPath, stubs, before] = [make('rootfs'), make('stubs'), make('before')];
  // The root as it is before the step, to look around in: read-only, since what is mounted next uses the upper folder.
  mountOverlay(before, { lowerDirs: [make('empty'), ...root.lowerDirs, root.upperDir], xattrs }, make('before-names'));
  const view = rootView(before);
  const placed = wanted.map((mount) => placeMount(view, mount));
  const hasStubs = makeMountStubs(view, stubs, placed);
  syscalls().unmount(before);
  const lowerDirs = hasStubs || root.lowerDirs.length === 0 ? [...root.lowerDirs, stubs] : root.lowerDirs;
  const upper = { upperDir: root.upperDir, workDir: root.workDir };
  mountOverlay(rootPath, { lowerDirs, upper, xattrs }, make('names'));
  return { rootPath, placed };
}

function placeMount(view: FileTree, { target, kind, mount }: WantedMount): PlacedMount {
  const path = placeOf(view, target);
  if (mount?.type !== 'tmpfs') return { path, kind, ...(mount === undefined ? {} : { mount }) };
  // As in BuildKit: a folder's mode stays when memory is mounted over it, and a new one is everybody's.
  const covered = view.lstat(path);
  const mode = covered?.type === 'dir' ? covered.mode : 0o1777;
  return { path, kind, mode, mount: { ...mount, options: [...mount.options, `mode=${mode.toString(8)}`] } };
}

function placeOf(view: FileTree, target: string): BytePath {
  const path = resolvePath(view, toBytePath(target), 'follow');
  if (path !== undefined && path !== '/') return path;
  const found = path === undefined ? 'a loop of symlinks' : 'the root itself';
  throw new SlipwayError('SLIPWAY_MOUNT_TARGET_INVALID', `cannot mount on target ${target}: it is ${found}`);
}

/** Where the step starts. A folder that the root lacks is made, as the user's own; below a mount it is that mount's business. */
function makeWorkingFolder(
  view: FileTree,
  cwd: string,
  { user, mounts }: { readonly user: UnixUser; readonly mounts: readonly BytePath[] },
): string {
  const path = resolvePath(view, toBytePath(cwd), 'follow');
  if (path === undefined) {
    throw new SlipwayError('SLIPWAY_WORKDIR_INVALID', `the working directory ${cwd} is a loop of symlinks`);
  }
  refuseProcessFolder(path, cwd);
  const names = path.split('/').filter((name) => name !== '');
  for (const depth of names.keys()) {
    const folder = `/${names.slice(0, depth + 1).join('/')}` as BytePath;
    if (mounts.some((mount) => folder === mount || folder.startsWith(`${mount}/`))) break;
    if (view.lstat(folder) !== undefined) continue;
    makeOwnFolder(view.contentPath(folder), user);
  }
  return Buffer.from(path, 'latin1').toString();
}

function makeOwnFolder(path: BytePath, user: UnixUser): void {
  mkdirSync(hostPath(path));
  chmodSync(hostPath(path), 0o755);
  chownSync(hostPath(path), user.uid, user.gid);
}

/** Descriptors of the runtime lead out of the container (CVE-2024-21626); nothing good starts in a process's folder. */
function refuseProcessFolder(path: BytePath, cwd: string): void {
  if (!/^\/proc\/(self|thread-self|\d+)(\/|$)/.test(path)) return;
  throw new SlipwayError('SLIPWAY_WORKDIR_INVALID', `the working directory ${cwd} lies in a process's folder of /proc`);
}

function readLog(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return '';
    throw error;
  }
}
