import { readFileSync } from 'node:fs';
import { SlipwayError } from '../core/errors.ts';
import type { NetworkMode, ProcessSpec, SecurityMode, Ulimit } from '../core/executor.ts';
import type { UnixUser } from '../core/unix-users.ts';
import { boundingCapabilities, DEFAULT_CAPABILITIES } from './capabilities.ts';
import { insecureDevices } from './devices/insecure-devices.ts';
import type { OciDevice } from './devices/oci-device.ts';
import { STANDARD_DEVICES } from './devices/standard-devices.ts';
import type { StepNodes } from './devices/step-nodes.ts';
import type { SeccompProfile } from './seccomp/default-profile.ts';
import type { SeccompFilter } from './seccomp/seccomp-filters.ts';
import type { TerminalSize } from './terminal/terminal-syscalls.ts';

/** `mounts[]` of the OCI runtime specification. */
export interface OciMount {
  readonly destination: string;
  readonly type: string;
  readonly source: string;
  readonly options: readonly string[];
}

/** The parts of the OCI runtime specification's config.json that slipway writes. */
export interface OciSpec {
  readonly ociVersion: string;
  readonly process: {
    readonly terminal: boolean;
    readonly consoleSize?: { readonly height: number; readonly width: number };
    readonly user: {
      readonly uid: number;
      readonly gid: number;
      readonly umask: number;
      readonly additionalGids: readonly number[];
    };
    readonly args: readonly string[];
    readonly env: readonly string[];
    readonly cwd: string;
    readonly capabilities: Readonly<Record<'bounding' | 'effective' | 'permitted', readonly string[]>> &
      Partial<Record<'inheritable' | 'ambient', readonly string[]>>;
    readonly rlimits: readonly { readonly type: string; readonly soft: object; readonly hard: object }[];
    readonly noNewPrivileges: false;
  };
  readonly root: { readonly path: string; readonly readonly: false };
  readonly hostname: string;
  readonly mounts: readonly OciMount[];
  readonly linux: {
    /** Made for the container, or with a `path` joined. */
    readonly namespaces: readonly { readonly type: string; readonly path?: string }[];
    readonly maskedPaths: readonly string[];
    readonly readonlyPaths: readonly string[];
    readonly devices?: readonly OciDevice[];
    readonly resources?: object;
    /** `listenerPath`: a unix socket for the listener of a filter that asks one. */
    readonly seccomp?: SeccompProfile & { readonly listenerPath?: string };
  };
  readonly annotations: Readonly<Record<string, string>>;
}

/** What a container is besides its process: decided by the executor from the root, the machine and the runtime. */
export interface ContainerSetting {
  readonly rootPath: string;
  readonly user: UnixUser;
  /** Where the process starts, symlinks of the root followed. */
  readonly cwd: string;
  /** Mounts of the step and files of the executor's own, after the kernel's filesystems. */
  readonly mounts: readonly OciMount[];
  /** Undefined for a process without a filter. */
  readonly seccomp: SeccompFilter | undefined;
  /** For a filter that asks a listener. */
  readonly listenerPath?: string;
  readonly userNamespace: boolean;
  /** What the step has for standard devices outside of a user namespace; without, it has the machine's. */
  readonly deviceNodes?: StepNodes;
  /** A file that stands for the network namespace to join; without, a `sandbox` is on the builder's network. */
  readonly networkNamespace?: string;
  /** Set where the process has a terminal of its own for standard input, output and error. */
  readonly terminal?: TerminalSize;
}

const DEFAULT_SHM_BYTES = 64 * 1024 * 1024;
const DEFAULT_OPEN_FILES = 1024;

/** As containerd's default, which BuildKit uses. */
const MASKED_PATHS = [
  '/proc/acpi',
  '/proc/asound',
  '/proc/kcore',
  '/proc/keys',
  '/proc/latency_stats',
  '/proc/timer_list',
  '/proc/timer_stats',
  '/proc/sched_debug',
  '/sys/firmware',
  '/sys/devices/virtual/powercap',
  '/proc/scsi',
];
const READONLY_PATHS = ['/proc/bus', '/proc/fs', '/proc/irq', '/proc/sys', '/proc/sysrq-trigger'];

/** The config.json of one step's container (github.com/opencontainers/runtime-spec, config.md). */
export function ociSpec(spec: ProcessSpec, setting: ContainerSetting): OciSpec {
  const insecure = isInsecure(spec.security);
  const capabilities = insecure ? boundingCapabilities() : DEFAULT_CAPABILITIES;
  const { uid, gid, groups } = setting.user;
  const listener = setting.listenerPath === undefined ? {} : { listenerPath: setting.listenerPath };
  return {
    ociVersion: '1.0.2',
    process: {
      ...terminalOf(setting.terminal),
      user: { uid, gid, umask: 0o022, additionalGids: groups },
      args: spec.args,
      env: environment(spec.env, setting.user),
      cwd: setting.cwd,
      capabilities: {
        bounding: capabilities,
        effective: capabilities,
        permitted: capabilities,
        ...(insecure ? { inheritable: capabilities, ambient: capabilities } : {}),
      },
      rlimits: resourceLimits(spec.ulimits),
      // Steps may use sudo and setuid programs, as in docker.
      noNewPrivileges: false,
    },
    root: { path: setting.rootPath, readonly: false },
    hostname: spec.hostname,
    mounts: [...kernelMounts(spec, setting), ...setting.mounts].reduce(replaceSameTarget, []),
    linux: {
      namespaces: namespaces(spec.network, setting.networkNamespace),
      maskedPaths: insecure ? [] : MASKED_PATHS,
      readonlyPaths: insecure ? [] : READONLY_PATHS,
      ...(insecure && !setting.userNamespace ? { devices: insecureDevices() } : {}),
      ...(setting.seccomp === undefined ? {} : { seccomp: { ...setting.seccomp.profile, ...listener } }),
    },
    annotations: setting.seccomp?.annotations ?? {},
  };
}

function terminalOf(size: TerminalSize | undefined): Pick<OciSpec['process'], 'terminal' | 'consoleSize'> {
  if (size === undefined) return { terminal: false };
  return { terminal: true, consoleSize: { height: size.rows, width: size.columns } };
}

/** The kernel's own filesystems in a container, in the order in which they are mounted. */
export function kernelMounts(
  spec: Pick<ProcessSpec, 'network' | 'security' | 'shmSizeBytes'>,
  {
    userNamespace,
    networkNamespace,
    deviceNodes,
  }: Pick<ContainerSetting, 'userNamespace' | 'networkNamespace' | 'deviceNodes'>,
): OciMount[] {
  const insecure = isInsecure(spec.security);
  const access = insecure ? 'rw' : 'ro';
  const hardened = ['nosuid', 'noexec', 'nodev'];
  // sysfs shows a network namespace and can be mounted only by who owns that: in a user namespace with the host's network nobody does.
  const sysfs: OciMount =
    userNamespace && spec.network !== 'none' && networkNamespace === undefined
      ? {
          destination: '/sys',
          type: 'none',
          source: '/sys',
          options: ['rbind', ...hardened, ...(insecure ? [] : ['rro'])],
        }
      : { destination: '/sys', type: 'sysfs', source: 'sysfs', options: [...hardened, access] };
  return [
    { destination: '/proc', type: 'proc', source: 'proc', options: hardened },
    // Without a cgroup of its own nothing but `nodev` keeps a step from opening the nodes that it makes. Those that it should have come
    // from elsewhere. Where they are the host's, they are read-only: they can be written to all the same, but their owners and modes are the
    // machine's. In a user namespace, whose root owns none of them, the runtimes take them from the host themselves.
    {
      destination: '/dev',
      type: 'tmpfs',
      source: 'tmpfs',
      options: ['nosuid', 'strictatime', 'mode=755', 'size=65536k', ...(insecure ? [] : ['nodev'])],
    },
    ...(insecure || userNamespace ? [] : STANDARD_DEVICES.map(({ path }) => deviceMount(path, deviceNodes))),
    {
      destination: '/dev/pts',
      type: 'devpts',
      source: 'devpts',
      options: ['nosuid', 'noexec', 'newinstance', 'ptmxmode=0666', 'mode=0620', 'gid=5'],
    },
    {
      destination: '/dev/shm',
      type: 'tmpfs',
      source: 'shm',
      options: [...hardened, 'mode=1777', `size=${spec.shmSizeBytes ?? DEFAULT_SHM_BYTES}`],
    },
    { destination: '/dev/mqueue', type: 'mqueue', source: 'mqueue', options: hardened },
    sysfs,
    { destination: '/sys/fs/cgroup', type: 'cgroup', source: 'cgroup', options: [access, ...hardened] },
  ];
}

function deviceMount(path: string, nodes: StepNodes | undefined): OciMount {
  const place = { destination: path, type: 'none' };
  if (nodes === undefined) return { ...place, source: path, options: ['bind', 'ro'] };
  return { ...place, source: nodes.node(path), options: ['bind'] };
}

function isInsecure(security: SecurityMode): boolean {
  switch (security) {
    case 'sandbox':
      return false;
    case 'insecure':
      return true;
    default: {
      const unknown: never = security;
      throw new Error(`internal: security mode ${unknown}`);
    }
  }
}

function namespaces(network: NetworkMode, path: string | undefined): OciSpec['linux']['namespaces'] {
  const own = ['pid', 'mount', 'uts', 'ipc', 'cgroup'].map((type) => ({ type }));
  switch (network) {
    case 'none':
      return [...own, { type: 'network' }];
    case 'sandbox':
      return path === undefined ? own : [...own, { type: 'network', path }];
    case 'host':
      return own;
    default: {
      const unknown: never = network;
      throw new Error(`internal: network mode ${unknown}`);
    }
  }
}

/** HOME where the step has none, as runc adds it. */
function environment(env: readonly string[], user: UnixUser): readonly string[] {
  if (env.some((entry) => /^HOME=./s.test(entry))) return env;
  return [...env.filter((entry) => entry !== 'HOME='), `HOME=${user.home}`];
}

const UNLIMITED = '18446744073709551615';

/** Node raises its own soft limit of open files, which would slow programs that close every number below it: steps get the usual 1024. */
function resourceLimits(ulimits: readonly Ulimit[]): { type: string; soft: object; hard: object }[] {
  const asked = ulimits.map(({ name, soft, hard }) => rlimit(name, limitText(soft), limitText(hard)));
  if (ulimits.some(({ name }) => name === 'nofile')) return asked;
  const hard = openFilesHardLimit();
  const soft = hard === UNLIMITED || Number(hard) > DEFAULT_OPEN_FILES ? String(DEFAULT_OPEN_FILES) : hard;
  return [rlimit('nofile', soft, hard), ...asked];
}

function rlimit(name: string, soft: string, hard: string): { type: string; soft: object; hard: object } {
  if (!RLIMIT_NAMES.has(name)) {
    throw new SlipwayError(
      'SLIPWAY_ULIMIT_UNKNOWN',
      `--ulimit ${name}: expected one of ${[...RLIMIT_NAMES].join(', ')}`,
    );
  }
  return { type: `RLIMIT_${name.toUpperCase()}`, soft: rawJson(soft), hard: rawJson(hard) };
}

const RLIMIT_NAMES = new Set(
  'as core cpu data fsize locks memlock msgqueue nice nofile nproc rss rtprio rttime sigpending stack'.split(' '),
);

function limitText(limit: number): string {
  return limit < 0 ? UNLIMITED : String(limit);
}

function openFilesHardLimit(): string {
  const hard = /^Max open files +\S+ +(\S+)/m.exec(readFileSync('/proc/self/limits', 'utf8'))?.[1] ?? 'unlimited';
  return hard === 'unlimited' ? UNLIMITED : hard;
}

/** A number that JSON.stringify writes as it stands: an unlimited one has more digits than a JavaScript number holds. */
function rawJson(digits: string): object {
  return (JSON as unknown as { rawJSON(text: string): object }).rawJSON(digits);
}

/** A later mount on the very same target takes the earlier one's place in the order. */
function replaceSameTarget(mounts: readonly OciMount[], mount: OciMount): OciMount[] {
  const index = mounts.findIndex((other) => other.destination === mount.destination);
  return index < 0 ? [...mounts, mount] : mounts.with(index, mount);
}
