import { statSync, writeFileSync } from 'node:fs';
import type { BytePath } from '../core/byte-path.ts';
import { SlipwayError } from '../core/errors.ts';
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
import { openHierarchies } from './cgroup/cgroup-hierarchies.ts';
import { makeStepCgroup, type StepCgroup } from './cgroup/step-cgroup.ts';
import type { ContainerIO, ContainerRuntime } from './container-runtime.ts';
import type { ContainerEdits } from './devices/cdi-specs.ts';
import { stepDevices } from './devices/step-devices.ts';
import { makeStepNodes, type StepNodes } from './devices/step-nodes.ts';
import { NodeSupervisor } from './emulated-nodes/node-supervisor.ts';
import { StepEmulation } from './emulated-nodes/step-emulation.ts';
import { refuseForeignProgram } from './foreign-programs.ts';
import { removeEmptyStubs } from './mount-stubs.ts';
import { hostsFile } from './network/hosts-file.ts';
import { resolvConf } from './network/resolv-conf.ts';
import { type SandboxNetwork, SandboxNetworks } from './network/sandbox-networks.ts';
import { kernelMounts, type OciMount, type OciSpec, ociSpec } from './oci-spec.ts';
import type { OverlayXattrs } from './overlay.ts';
import { type PrivateFolder, PrivateMounts } from './private-mounts.ts';
import { rootView } from './root-view.ts';
import { SeccompFilters } from './seccomp/seccomp-filters.ts';
import { prepareMount } from './step-mounts.ts';
import { mountRoot, type PlacedMount, type WantedMount } from './step-root.ts';
import { userTerminalSize } from './terminal/user-terminal.ts';
import { makeWorkingFolder } from './working-folder.ts';

export interface OciExecutorOptions {
  readonly runtime: ContainerRuntime;
  /** A folder of the store for the executor alone, made where it is missing. Any number of processes may share it. */
  readonly stateDir: string;
  /** A folder of the store for what is thrown away: leftovers in it are garbage. */
  readonly scratchDir: string;
  /** How the store's layers mark removals. */
  readonly xattrs: OverlayXattrs;
  /** Where PATH is taken from. */
  readonly env: Readonly<Record<string, string | undefined>>;
}

/** Runs steps by a runtime that takes OCI bundles: crun, runc, or slipway's own. Disposing ends what the runtime keeps ready. */
export class OciExecutor implements Executor, Disposable {
  readonly name: string;
  readonly #runtime: ContainerRuntime;
  readonly #mounts: PrivateMounts;
  readonly #scratchDir: string;
  readonly #xattrs: OverlayXattrs;
  readonly #seccomp: SeccompFilters;
  readonly #networks: SandboxNetworks;
  readonly #supervisor = new NodeSupervisor();
  #hierarchies: ReturnType<typeof openHierarchies> | undefined;
  #devices: PrivateFolder | undefined;

  constructor(options: OciExecutorOptions) {
    this.name = options.runtime.name;
    this.#runtime = options.runtime;
    this.#mounts = new PrivateMounts(`${options.stateDir}/mnt`, options.runtime.followsMounts ? 'shared' : 'private');
    this.#scratchDir = options.scratchDir;
    this.#xattrs = options.xattrs;
    this.#seccomp = new SeccompFilters((profile) => options.runtime.seccompFilter(profile));
    this.#networks = new SandboxNetworks(this.#mounts, options.env);
  }

  run(
    spec: ProcessSpec,
    root: WritableRoot,
    mounts: readonly ContainerMount[],
    io: ProcessIO,
    context: ExecutorContext,
  ): Promise<void> {
    return this.#run({ spec, root, mounts, io }, context);
  }

  runInTerminal(
    spec: ProcessSpec,
    root: WritableRoot,
    mounts: readonly ContainerMount[],
    context: ExecutorContext,
  ): Promise<void> {
    return this.#run({ spec, root, mounts, io: 'terminal' }, context);
  }

  async #run({ spec, root, mounts, io }: StepRequest, { signal, progress }: ExecutorContext): Promise<void> {
    signal.throwIfAborted();
    this.#seccomp.warnIfMissing(spec.security, progress);
    using cleanup = new DisposableStack();
    const stubs: BytePath[] = [];
    // Undone last, when the root is no longer mounted.
    cleanup.defer(() => removeEmptyStubs(root.upperDir, stubs));
    let emulation: StepEmulation | undefined;
    cleanup.defer(() => emulation?.settle(root.upperDir));
    if (spec.resources !== undefined || spec.cgroupParent) this.#hierarchies ??= openHierarchies();
    const { path: folder } = cleanup.use(this.#mounts.folder(spec.id));
    this.#runtime.prepare(this.#mounts.path);
    const network = spec.network === 'sandbox' ? await this.#networks.take(progress) : undefined;
    // What may do anything may change its network, too.
    cleanup.defer(() => network?.release(spec.security === 'insecure' ? 'discard' : 'reuse'));
    emulation = await this.#emulation({ spec, root, mounts });
    await using _watched = emulation;
    const bundle = this.#makeBundle(folder, { spec, root, mounts, io, network, emulation, cleanup });
    stubs.push(...bundle.stubs);
    await using cgroup = this.#makeCgroup(spec);
    const cgroupFiles = cgroup?.joinFiles ?? [];
    try {
      await this.#runtime.run({ id: spec.id, folder, spec: bundle.config, cgroupFiles }, io, signal);
    } catch (error) {
      if (signal.aborted) throw error;
      throw withNetworkLoss(withMemoryKill(error, spec, cgroup), await network?.problem());
    }
  }

  /** Undefined where the kernel lets the step make device nodes, or nobody can be told of its calls. */
  async #emulation({ spec, root, mounts }: Omit<StepRequest, 'io'>): Promise<StepEmulation | undefined> {
    const hasFilter = this.#seccomp.filter(spec.security) !== undefined;
    const isEmulated = inUserNamespace() && hasFilter && (await this.#supervisor.isPossible());
    return isEmulated ? new StepEmulation(this.#supervisor, { step: spec.id, root, mounts }) : undefined;
  }

  /** Most steps have no limits: the hierarchies are looked for only when one has. */
  #makeCgroup(spec: ProcessSpec): StepCgroup | undefined {
    if (spec.resources === undefined && !spec.cgroupParent) return undefined;
    this.#hierarchies ??= openHierarchies();
    return makeStepCgroup(spec, this.#hierarchies.hierarchies);
  }

  [Symbol.dispose](): void {
    this.#runtime[Symbol.dispose]();
    this.#networks[Symbol.dispose]();
    this.#supervisor[Symbol.dispose]();
    this.#devices?.[Symbol.dispose]();
    this.#devices = undefined;
    this.#hierarchies?.[Symbol.dispose]();
    this.#hierarchies = undefined;
  }

  /** Everything that the runtime needs: the root and the mounts' sources below `folder`, and config.json. */
  #makeBundle(folder: string, step: Step): { readonly config: OciSpec; readonly stubs: readonly BytePath[] } {
    const { spec, root, mounts, io, network, emulation, cleanup } = step;
    const devices = stepDevices(spec.devices);
    const deviceNodes = this.#deviceNodes(spec, cleanup);
    const surroundings = {
      userNamespace: inUserNamespace(),
      ...(network === undefined ? {} : { networkNamespace: network.namespace }),
      ...(deviceNodes === undefined ? {} : { deviceNodes }),
    };
    const options = { folder, scratchDir: this.#scratchDir, xattrs: this.#xattrs, cleanup };
    const prepared = mounts.map((mount, index) => ({ target: mount.target, ...prepareMount(mount, index, options) }));
    const wanted: WantedMount[] = [
      ...kernelMounts(spec, surroundings).map(({ destination }) => ({
        target: destination,
        kind: 'dir' as const,
      })),
      ...networkFileMounts(folder, spec, network),
      ...deviceMounts(devices),
      ...prepared,
    ];
    const forDevices = spec.security === 'insecure' ? 'usable' : 'dead';
    const rootOptions = { folder, xattrs: this.#xattrs, devices: forDevices } as const;
    const { rootPath, placed, stubs } = mountRoot(rootOptions, root, wanted);
    const view = rootView(rootPath);
    refuseForeignProgram(view, spec);
    // Also for a user of numbers alone: runc reads the files itself, and would wait for ever on a fifo.
    const user = lookupUser(readUserFiles(view), spec.user);
    const config = ociSpec(
      { ...spec, env: [...spec.env, ...devices.env] },
      {
        rootPath,
        user,
        cwd: makeWorkingFolder(view, spec.cwd, { user, mounts: placed.map(({ path }) => path) }),
        mounts: [...placed.flatMap(ociMount), ...this.#rootRemount(spec, rootPath)],
        seccomp: this.#seccomp.filter(spec.security, emulation?.nodes),
        ...(emulation === undefined ? {} : { listenerPath: emulation.watch(folder, rootPath) }),
        ...(io === 'terminal' ? { terminal: userTerminalSize() } : {}),
        ...surroundings,
      },
    );
    return { config, stubs };
  }

  /** The step's own nodes, so that the machine's are none of its business. A step that may do anything has a /dev where the runtime makes them. */
  #deviceNodes({ id, security }: ProcessSpec, cleanup: DisposableStack): StepNodes | undefined {
    if (security === 'insecure' || inUserNamespace()) return undefined;
    this.#devices ??= this.#mounts.folder('devices', 'usable');
    const nodes = makeStepNodes(`${this.#devices.path}/${id}`);
    return nodes === undefined ? undefined : cleanup.use(nodes);
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

interface StepRequest {
  readonly spec: ProcessSpec;
  readonly root: WritableRoot;
  readonly mounts: readonly ContainerMount[];
  readonly io: ContainerIO;
}

interface Step extends StepRequest {
  readonly network: SandboxNetwork | undefined;
  readonly emulation: StepEmulation | undefined;
  readonly cleanup: DisposableStack;
}

/** The error of a step that the kernel killed processes of, because they used more memory than it may. */
function withMemoryKill(error: unknown, { args, resources }: ProcessSpec, cgroup: StepCgroup | undefined): unknown {
  if (!(error instanceof SlipwayError) || error.exitCode === undefined || cgroup?.wasKilledForMemory() !== true)
    return error;
  const limit = Math.round(((resources?.memory ?? 0) / 2 ** 20) * 10) / 10;
  return new SlipwayError(
    'SLIPWAY_RUN_OUT_OF_MEMORY',
    `"${args.join(' ')}" used more than its memory limit of ${limit} MiB, and the kernel killed a process of it`,
    { exitCode: error.exitCode, hint: 'give it more: --resource memory=SIZE', cause: error },
  );
}

/** The error of a step that was without its network at its end, whatever it failed for. */
function withNetworkLoss(error: unknown, problem: string | undefined): unknown {
  if (!(error instanceof SlipwayError) || error.code !== 'SLIPWAY_RUN_FAILED' || problem === undefined) return error;
  return new SlipwayError('SLIPWAY_NETWORK_LOST', `${error.message}, and its network was gone: ${problem}`, {
    ...(error.exitCode === undefined ? {} : { exitCode: error.exitCode }),
    hint: 'build again; slipway doctor says which program makes the networks of steps, and --network=host does without it',
    cause: error,
  });
}

/** Devices are the machine's own, mounted: that works in user namespaces too, where nobody makes any. */
function deviceMounts({ deviceNodes, mounts }: ContainerEdits): WantedMount[] {
  const files = mounts.map(({ hostPath, containerPath, options }) => ({ hostPath, path: containerPath, options }));
  return [...files, ...deviceNodes.map((node) => ({ ...node, options: ['nosuid', 'noexec', 'ro'] }))].map(
    ({ hostPath, path, options }) => ({
      target: path,
      kind: statSync(hostPath).isDirectory() ? 'dir' : 'file',
      mount: {
        type: 'none',
        source: hostPath,
        options: ['rbind', ...options.filter((name) => !/^r?bind$/.test(name))],
      },
    }),
  );
}

/** /etc/resolv.conf and /etc/hosts, which a step reads but cannot change. */
function networkFileMounts(folder: string, spec: ProcessSpec, network: SandboxNetwork | undefined): WantedMount[] {
  const place = spec.network === 'none' ? 'none' : network === undefined ? 'host' : 'sandbox';
  const dns = spec.dns ?? { servers: [], search: [] };
  const files = [
    {
      target: '/etc/resolv.conf',
      source: `${folder}/resolv.conf`,
      text: resolvConf(dns, place === 'sandbox' ? 'sandbox' : 'host'),
    },
    { target: '/etc/hosts', source: `${folder}/hosts`, text: hostsFile(spec, place) },
  ];
  return files.map(({ target, source, text }) => {
    writeFileSync(source, text, { mode: 0o644 });
    const options = ['rbind', 'nosuid', 'noexec', 'nodev', 'ro'];
    return { target, kind: 'file', mount: { type: 'none', source, options } };
  });
}
