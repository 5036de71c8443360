import { ALLOWED_SYSCALLS } from './allowed-syscalls.ts';

/** `linux.seccomp` of the OCI runtime specification, as far as this profile uses it. */
export interface SeccompProfile {
  readonly defaultAction: 'SCMP_ACT_ERRNO';
  readonly defaultErrnoRet: number;
  readonly architectures: readonly string[];
  readonly syscalls: readonly SeccompRule[];
}

export interface SeccompRule {
  readonly names: readonly string[];
  readonly action: 'SCMP_ACT_ALLOW' | 'SCMP_ACT_ERRNO' | 'SCMP_ACT_NOTIFY';
  readonly errnoRet?: number;
  readonly args?: readonly SeccompArgument[];
}

interface SeccompArgument {
  readonly index: number;
  readonly value: number;
  readonly valueTwo?: number;
  readonly op: 'SCMP_CMP_EQ' | 'SCMP_CMP_LT' | 'SCMP_CMP_GT' | 'SCMP_CMP_MASKED_EQ';
}

/** Architectures as Node names them. */
type Architecture = NodeJS.Architecture;

const EPERM = 1;
const ENOSYS = 38;
const AF_ALG = 38;
const AF_VSOCK = 40;
/** CLONE_NEWNS, NEWCGROUP, NEWUTS, NEWIPC, NEWUSER, NEWPID and NEWNET: making a namespace needs CAP_SYS_ADMIN. */
const CLONE_NAMESPACES = 0x7e020000;
const PERSONALITIES = [0x0, 0x8, 0x20000, 0x20008, 0xffffffff];

/** The architectures whose calls a process of the first can make as well. */
const ARCHITECTURES: Partial<Record<Architecture, readonly string[]>> = {
  x64: ['SCMP_ARCH_X86_64', 'SCMP_ARCH_X86', 'SCMP_ARCH_X32'],
  arm64: ['SCMP_ARCH_AARCH64', 'SCMP_ARCH_ARM'],
  arm: ['SCMP_ARCH_ARM'],
  ia32: ['SCMP_ARCH_X86'],
  ppc64: ['SCMP_ARCH_PPC64LE'],
  s390x: ['SCMP_ARCH_S390X', 'SCMP_ARCH_S390'],
  riscv64: ['SCMP_ARCH_RISCV64'],
  loong64: ['SCMP_ARCH_LOONGARCH64'],
};

const BY_ARCHITECTURE: Partial<Record<Architecture, string>> = {
  x64: 'arch_prctl modify_ldt',
  ia32: 'modify_ldt',
  arm: 'arm_fadvise64_64 arm_sync_file_range sync_file_range2 breakpoint cacheflush set_tls',
  arm64: 'arm_fadvise64_64 arm_sync_file_range sync_file_range2 breakpoint cacheflush set_tls',
  ppc64: 'sync_file_range2 swapcontext',
  s390x: 's390_pci_mmio_read s390_pci_mmio_write s390_runtime_instr',
  riscv64: 'riscv_flush_icache',
};

const BY_CAPABILITY: Readonly<Record<string, string>> = {
  CAP_DAC_READ_SEARCH: 'open_by_handle_at',
  CAP_SYS_ADMIN:
    'bpf clone clone3 fanotify_init fsconfig fsmount fsopen fspick lookup_dcookie lsm_get_self_attr lsm_list_modules ' +
    'lsm_set_self_attr mount mount_setattr move_mount open_tree perf_event_open quotactl quotactl_fd setdomainname ' +
    'sethostname setns syslog umount umount2 unshare',
  CAP_SYS_BOOT: 'reboot',
  CAP_SYS_CHROOT: 'chroot',
  CAP_SYS_MODULE: 'delete_module init_module finit_module',
  CAP_SYS_PACCT: 'acct',
  CAP_SYS_PTRACE: 'kcmp pidfd_getfd process_madvise process_vm_readv process_vm_writev ptrace',
  CAP_SYS_RAWIO: 'iopl ioperm',
  CAP_SYS_TIME: 'settimeofday stime clock_settime clock_settime64',
  CAP_SYS_TTY_CONFIG: 'vhangup',
  CAP_SYS_NICE: 'get_mempolicy mbind set_mempolicy set_mempolicy_home_node',
  CAP_SYSLOG: 'syslog',
  CAP_BPF: 'bpf',
  CAP_PERFMON: 'perf_event_open',
};

/**
 * Docker's default seccomp profile (github.com/moby/profiles) for a process with these capabilities; undefined on an
 * architecture that it does not know. Calls that are not allowed fail with EPERM. It assumes Linux 4.8, from which on ptrace(2)
 * cannot be used to get around a filter.
 */
export function defaultSeccompProfile(
  capabilities: readonly string[],
  architecture: Architecture = process.arch,
): SeccompProfile | undefined {
  const architectures = ARCHITECTURES[architecture];
  if (architectures === undefined) return undefined;
  const byCapability = capabilities.flatMap((name) => names(BY_CAPABILITY[name]));
  return {
    defaultAction: 'SCMP_ACT_ERRNO',
    defaultErrnoRet: EPERM,
    architectures,
    syscalls: [
      allow([...ALLOWED_SYSCALLS, ...names('process_vm_readv process_vm_writev ptrace')]),
      allow(['socket'], { index: 0, value: AF_ALG, op: 'SCMP_CMP_LT' }),
      allow(['socket'], { index: 0, value: AF_ALG + 1, op: 'SCMP_CMP_EQ' }),
      allow(['socket'], { index: 0, value: AF_VSOCK, op: 'SCMP_CMP_GT' }),
      ...PERSONALITIES.map((value) => allow(['personality'], { index: 0, value, op: 'SCMP_CMP_EQ' })),
      allow(names(BY_ARCHITECTURE[architecture])),
      allow(byCapability),
      ...(capabilities.includes('CAP_SYS_ADMIN') ? [] : withoutNamespaces(architecture)),
    ].filter((rule) => rule.names.length > 0),
  };
}

/** clone(2) is judged by its flags; clone3(2) hides them in memory, so it does not exist and C libraries fall back. */
function withoutNamespaces(architecture: Architecture): SeccompRule[] {
  const index = architecture === 's390x' ? 1 : 0;
  return [
    allow(['clone'], { index, value: CLONE_NAMESPACES, valueTwo: 0, op: 'SCMP_CMP_MASKED_EQ' }),
    { names: ['clone3'], action: 'SCMP_ACT_ERRNO', errnoRet: ENOSYS },
  ];
}

function allow(calls: readonly string[], ...args: readonly SeccompArgument[]): SeccompRule {
  return { names: calls, action: 'SCMP_ACT_ALLOW', ...(args.length === 0 ? {} : { args }) };
}

function names(list: string | undefined): string[] {
  return list === undefined ? [] : list.split(' ');
}
