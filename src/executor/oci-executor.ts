import { readFileSync, writeFileSync } from 'node:fs';
import type { BytePath } from '../core/byte-path.ts';
import { errnoOf, SlipwayError } from '../core/errors.ts';
import type {
  ContainerMount,
  Executor,
  ExecutorContext,
  ProcessIO,
  ProcessSpec,
  WritableRoot,
} from '../core/executor.ts';
import { lookupUser, readUserFiles } from '../core/unix-users.ts';
import { inUserNamespace } from '../core/user-namespace.ts';
import { runContainer } from './container-process.ts';
import { removeEmptyStubs } from './mount-stubs.ts';
import { hostsFile, resolvConfFile } from './network-files.ts';
import type { OciRuntime } from './oci-runtime.ts';
import { kernelMounts, type OciMount, ociSpec } from './oci-spec.ts';
import type { OverlayXattrs } from './overlay.ts';
import { PrivateMounts } from './private-mounts.ts';
import { rootView } from './root-view.ts';
import { runtimeFailure } from './runtime-failure.ts';
import { SeccompFilters } from './seccomp/seccomp-filters.ts';
import { prepareMount } from './step-mounts.ts';
import { mountRoot, type PlacedMount, type WantedMount } from './step-root.ts';
import { makeWorkingFolder } from './working-folder.ts';

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
    const stubs: BytePath[] = [];
    // Undone last, when the root is no longer mounted.
    cleanup.defer(() => removeEmptyStubs(root.upperDir, stubs));
    const { path: folder } = cleanup.use(this.#mounts.folder(spec.id));
    stubs.push(...this.#writeBundle(folder, { spec, root, mounts, cleanup }));
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

  /** Everything that the runtime needs below `folder`: the root, the mounts' sources and config.json. Returns the root's stubs. */
  #writeBundle(folder: string, step: Step): readonly BytePath[] {
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
    const { rootPath, placed, stubs } = mountRoot({ folder, xattrs: this.#xattrs }, root, wanted);
    const view = rootView(rootPath);
    // Also for a user of numbers alone: runc reads the files itself, and would wait for ever on a fifo.
    const user = lookupUser(readUserFiles(view), spec.user);
    const config = ociSpec(spec, {
      rootPath,
      user,
      cwd: makeWorkingFolder(view, spec.cwd, { user, mounts: placed.map(({ path }) => path) }),
      mounts: [...placed.flatMap(ociMount), ...this.#rootRemount(spec, rootPath)],
      seccomp: this.#seccomp.filter(spec.security),
      userNamespace: inUserNamespace(),
    });
    writeFileSync(`${folder}/config.json`, JSON.stringify(config), { mode: 0o600 });
    return stubs;
  }

  /** A step's root has no devices (overlay.ts), also where the runtime would bring them back. */
  #rootRemount({ security }: ProcessSpec, rootPath: string): OciMount[] {
    if (!this.#runtime.dropsNodev || security === 'insecure' || inUserNamespace()) return [];
    // crun takes no plain "/".
    return [{ destination: '/.', type: 'none', source: rootPath, options: ['bind', 'remount', 'nodev'] }];
  }
}

/** The kernel's own mounts have no `mount`: `ociSpec` adds those. */
function ociMount({ path, mount }: PlacedMount): OciMount[] {
  return mount === undefined ? [] : [{ destination: Buffer.from(path, 'latin1').toString(), ...mount }];
}

interface Step {
  readonly spec: ProcessSpec;
  readonly root: WritableRoot;
  readonly mounts: readonly ContainerMount[];
  readonly cleanup: DisposableStack;
}

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

function readLog(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return '';
    throw error;
  }
}
