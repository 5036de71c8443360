/** What a machine or container gives to a process that wants to run containers, as far as `slipway doctor` looks at it. Plain data. */
export interface MachineFacts {
  readonly nodeVersion: string;
  readonly euid: number;
  /** Names of the capabilities in force, `CAP_SYS_ADMIN`. */
  readonly capabilities: readonly string[];
  readonly inUserNamespace: boolean;
  /** `6.1.0-18-amd64` */
  readonly kernel: string;
  readonly surroundings: 'kubernetes' | 'docker' | 'podman' | 'machine';
  /** Whether a seccomp filter is in force. */
  readonly isFiltered: boolean;
  /** Values of the sysctls that restrict user namespaces; those that the kernel does not have are missing. */
  readonly sysctls: Readonly<Record<string, string>>;
  /** Whether the namespaces of a container can be made: for root at once, for others in a user namespace. `error`: why not. */
  readonly namespaces: { readonly work: true } | { readonly work: false; readonly error: string };
  /** Absolute paths of the programs that were found; a pasta that is too old to be used is none. */
  readonly programs: Readonly<Partial<Record<ProgramName, string>>>;
  /** First lines of `--version`. */
  readonly runtimes: readonly { readonly name: string; readonly path: string; readonly version: string }[];
  /** How many subordinate ids the user has. */
  readonly subordinateIds: { readonly uids: number; readonly gids: number };
  readonly hasLibseccomp: boolean;
  /** /dev/net/tun, which networks of steps need. */
  readonly hasTun: boolean;
  /** Foreign machines whose programs can be run: names in /proc/sys/fs/binfmt_misc without `qemu-`. Undefined where that is not mounted. */
  readonly binfmt: readonly string[] | undefined;
  readonly cgroups: {
    readonly version: 1 | 2 | undefined;
    readonly controllers: readonly string[];
    readonly writable: boolean;
  };
  readonly store: { readonly path: string; readonly writable: boolean; readonly filesystem: string };
}

/** The programs that slipway may use, besides OCI runtimes. */
export const PROGRAMS = [
  'unshare',
  'setpriv',
  'nsenter',
  'newuidmap',
  'newgidmap',
  'pasta',
  'slirp4netns',
  'git',
  'xz',
  'bzip2',
] as const;

export type ProgramName = (typeof PROGRAMS)[number];
