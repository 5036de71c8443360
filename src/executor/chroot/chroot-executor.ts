import { setTimeout as delay } from 'node:timers/promises';
import { type BytePath, toBytePath } from '../../core/byte-path.ts';
import { SlipwayError } from '../../core/errors.ts';
import type {
  ContainerMount,
  Executor,
  ExecutorContext,
  ProcessIO,
  ProcessSpec,
  WritableRoot,
} from '../../core/executor.ts';
import type { ProgressSink } from '../../core/progress.ts';
import { lookupUser, readUserFiles, type UnixUser } from '../../core/unix-users.ts';
import { inUserNamespace } from '../../core/user-namespace.ts';
import { boundingCapabilities, DEFAULT_CAPABILITIES } from '../capabilities.ts';
import { refuseForeignProgram } from '../foreign-programs.ts';
import { initFailure } from '../native/native-failure.ts';
import { type OciSpec, ociSpec } from '../oci-spec.ts';
import type { OverlayXattrs } from '../overlay.ts';
import { rootView } from '../root-view.ts';
import { defaultSeccompProfile } from '../seccomp/default-profile.ts';
import { seccompProgram } from '../seccomp/seccomp-program.ts';
import { makeWorkingFolder } from '../working-folder.ts';
import { startStep, type WaitingStep } from './chroot-process.ts';
import { chrootSyscalls } from './chroot-syscalls.ts';
import { setFileTimes } from './copy-files.ts';
import { applyLayer, recordChanges, removeTree } from './layer-changes.ts';
import { PlacedFiles } from './placed-files.ts';
import { compareStates, parentOf, type RootState, scanRoot } from './root-state.ts';
import {
  type KernelPlaces,
  lockCaches,
  placeKernelFolders,
  placeMounts,
  placeNetworkFiles,
  resolveKernelPlaces,
} from './step-places.ts';
import { refuseUnsupported } from './unsupported.ts';
import { type WorkingRoot, WorkingRoots } from './working-roots.ts';

export interface ChrootExecutorOptions {
  /** A folder of the store for the executor alone, made where it is missing. */
  readonly stateDir: string;
  /** A folder of this process's own for what is thrown away, on the filesystem of the layers. */
  readonly scratchDir: string;
  /** How the store's layers mark removals. */
  readonly xattrs: OverlayXattrs;
}

/** Not for steps: whoever has it and is root leaves any root that is no mount. */
const WITHHELD = 'CAP_SYS_CHROOT';
/** The longest tick of a kernel, by which it stamps files: what a step does must have another time than what was done before it. */
const TICK_MS = 11;

const NOTICE =
  'isolation chroot: RUN steps share the network, the processes and the limits of this machine or container, and have no /proc of their own';

/**
 * Runs steps where neither namespaces nor mounts are allowed: in a copy of their root, by chroot(2), with the changes found by comparing. It protects the
 * builder from mistakes, not from malice: a step that is root can end the builder's processes. What cannot be had is refused
 * (`SLIPWAY_CHROOT_UNSUPPORTED`); mounts are copies. Needs root with docker's capabilities (`SLIPWAY_CHROOT_FORBIDDEN`). Disposing removes
 * the copies that are kept for next steps.
 */
export class ChrootExecutor implements Executor, Disposable {
  readonly name = 'chroot';
  readonly #options: ChrootExecutorOptions;
  readonly #roots: WorkingRoots;
  #started = false;
  #count = 0;

  constructor(options: ChrootExecutorOptions) {
    this.#options = options;
    this.#roots = new WorkingRoots(options.scratchDir, options.xattrs);
  }

  async run(
    spec: ProcessSpec,
    root: WritableRoot,
    mounts: readonly ContainerMount[],
    io: ProcessIO,
    { signal, progress }: ExecutorContext,
  ): Promise<void> {
    signal.throwIfAborted();
    refuseUnsupported(spec, mounts);
    this.#start(progress);
    using step = startStep();
    using _locks = await lockCaches(mounts, signal);
    const working = this.#roots.take(root.lowerDirs);
    try {
      const state = await this.#runIn(working, { spec, root, mounts, io, signal, step });
      this.#roots.keep(working, root.upperDir, state);
    } catch (error) {
      this.#roots.remove(working);
      throw error;
    }
  }

  [Symbol.dispose](): void {
    this.#roots[Symbol.dispose]();
  }

  /** Runs the step, and writes what it changed into its layer. Returns the root's state then. */
  async #runIn({ path, state }: WorkingRoot, request: Request): Promise<RootState> {
    const { xattrs, scratchDir } = this.#options;
    const { upperDir } = request.root;
    // What the layer has from the start, a few folders, is not the step's change.
    applyLayer(upperDir, path, xattrs);
    using placed = new PlacedFiles(path, toBytePath(`${scratchDir}/aside-${this.#count++}`));
    const kernel = resolveKernelPlaces(placed);
    const covered = new Set(Object.values(kernel));
    const before = state ?? scanRoot(path, covered);
    const record = () => {
      placed.removeAll(before);
      const after = withoutPlaced(path, scanRoot(path, covered), placed);
      recordChanges(compareStates(path, before, after), { root: path, state: after, upperDir, xattrs });
      return after;
    };
    try {
      await this.#runPlaced(path, { ...request, placed, kernel });
    } catch (error) {
      // What a step did before it failed can be looked at.
      record();
      throw error;
    }
    return record();
  }

  async #runPlaced(root: BytePath, request: PlacedRequest): Promise<void> {
    const { spec, mounts, io, signal, step, placed, kernel } = request;
    using cleanup = new DisposableStack();
    const view = rootView(hostName(root));
    refuseForeignProgram(view, spec);
    const user = lookupUser(readUserFiles(view), spec.user);
    placeKernelFolders(placed, user.uid);
    placeNetworkFiles(placed, spec);
    placeMounts(placed, mounts, { xattrs: this.#options.xattrs, cleanup });
    const cwd = makeWorkingFolder(view, spec.cwd, { user, mounts: [] });
    placed.ready();
    await delay(TICK_MS);
    const plan = {
      spec: processConfig(spec, { rootPath: hostName(root), user, cwd }),
      seccompProgram: this.#seccompProgram(),
      devFolder: `${hostName(root)}${hostName(kernel.dev)}`,
    };
    const exit = await step.run(plan, io, signal);
    if (exit.status === 0) return;
    signal.throwIfAborted();
    throw initFailure('chroot', spec.args, exit);
  }

  #start(progress: ProgressSink): void {
    if (this.#started) return;
    requireCapabilities();
    // Whoever gets out of a step's root must not read the builder's environment and memory (CVE-2021-3602).
    chrootSyscalls().hideMemory();
    progress.emit({ type: 'notice', at: Date.now(), message: NOTICE });
    this.#started = true;
  }

  /** A filter needs CAP_SYS_ADMIN, unless setuid programs shall do nothing; where that is missing, steps have the filter of the container around. */
  #seccompProgram(): string | undefined {
    const profile = defaultSeccompProfile(DEFAULT_CAPABILITIES);
    if (profile === undefined || !boundingCapabilities().includes('CAP_SYS_ADMIN')) return undefined;
    return seccompProgram(profile, this.#options.stateDir)?.toString('base64');
  }
}

interface Request {
  readonly spec: ProcessSpec;
  readonly root: WritableRoot;
  readonly mounts: readonly ContainerMount[];
  readonly io: ProcessIO;
  readonly signal: AbortSignal;
  readonly step: WaitingStep;
}

type PlacedRequest = Request & { readonly placed: PlacedFiles; readonly kernel: KernelPlaces };

const NEEDED = ['CAP_CHOWN', 'CAP_DAC_OVERRIDE', 'CAP_FOWNER', 'CAP_MKNOD', 'CAP_SETGID', 'CAP_SETUID', WITHHELD];

function requireCapabilities(): void {
  const own = process.geteuid?.() === 0 ? boundingCapabilities() : [];
  const missing = NEEDED.filter((name) => !own.includes(name));
  if (missing.length === 0) return;
  const found = process.geteuid?.() === 0 ? `this root lacks ${missing.join(', ')}` : 'this user is not root';
  throw new SlipwayError(
    'SLIPWAY_CHROOT_FORBIDDEN',
    `chroot isolation needs root with docker's capabilities: ${found}`,
    {
      hint: 'in a pod: runAsUser: 0, and no capabilities.drop in its securityContext',
    },
  );
}

/** The process of a config.json, with the capabilities that a step can have. */
function processConfig(
  spec: ProcessSpec,
  place: { readonly rootPath: string; readonly user: UnixUser; readonly cwd: string },
): OciSpec {
  const config = ociSpec(spec, { ...place, mounts: [], seccomp: undefined, userNamespace: inUserNamespace() });
  const own = boundingCapabilities();
  const given = DEFAULT_CAPABILITIES.filter((name) => name !== WITHHELD && own.includes(name));
  return {
    ...config,
    process: { ...config.process, capabilities: { bounding: given, effective: given, permitted: given } },
  };
}

/** The state without what was placed, which is removed wherever the step brought it. */
function withoutPlaced(root: BytePath, state: RootState, placed: PlacedFiles): RootState {
  for (const [path, stat] of state.files) {
    if (!placed.isPlaced(stat)) continue;
    removeTree(`${root}${path}` as BytePath);
    for (const other of state.files.keys())
      if (other === path || other.startsWith(`${path}/`)) state.files.delete(other);
    const parent = parentOf(path);
    const folder = state.files.get(parent);
    if (folder !== undefined) setFileTimes(`${root}${parent}` as BytePath, folder);
  }
  return state;
}

/** The text of a path that slipway itself made. */
function hostName(path: BytePath): string {
  return Buffer.from(path, 'latin1').toString();
}
