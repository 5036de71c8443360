import { readFileSync } from 'node:fs';

/** What docker and BuildKit give to a container (containerd's default set). */
export const DEFAULT_CAPABILITIES: readonly string[] = [
  'CAP_CHOWN',
  'CAP_DAC_OVERRIDE',
  'CAP_FSETID',
  'CAP_FOWNER',
  'CAP_MKNOD',
  'CAP_NET_RAW',
  'CAP_SETGID',
  'CAP_SETUID',
  'CAP_SETFCAP',
  'CAP_SETPCAP',
  'CAP_NET_BIND_SERVICE',
  'CAP_SYS_CHROOT',
  'CAP_KILL',
  'CAP_AUDIT_WRITE',
];

/** By number, from linux/capability.h. */
const ALL_CAPABILITIES: readonly string[] = (
  'CHOWN DAC_OVERRIDE DAC_READ_SEARCH FOWNER FSETID KILL SETGID SETUID SETPCAP LINUX_IMMUTABLE NET_BIND_SERVICE ' +
  'NET_BROADCAST NET_ADMIN NET_RAW IPC_LOCK IPC_OWNER SYS_MODULE SYS_RAWIO SYS_CHROOT SYS_PTRACE SYS_PACCT SYS_ADMIN ' +
  'SYS_BOOT SYS_NICE SYS_RESOURCE SYS_TIME SYS_TTY_CONFIG MKNOD LEASE AUDIT_WRITE AUDIT_CONTROL SETFCAP MAC_OVERRIDE ' +
  'MAC_ADMIN SYSLOG WAKE_ALARM BLOCK_SUSPEND AUDIT_READ PERFMON BPF CHECKPOINT_RESTORE'
)
  .split(' ')
  .map((name) => `CAP_${name}`);

const STATUS_FIELDS = { bounding: 'CapBnd', effective: 'CapEff' } as const;

/** The capabilities that this process has in one of its sets. */
export function capabilitiesOf(set: keyof typeof STATUS_FIELDS): string[] {
  const field = new RegExp(`^${STATUS_FIELDS[set]}:\\s*([0-9a-f]+)$`, 'm');
  const bits = BigInt(`0x${field.exec(readFileSync('/proc/self/status', 'utf8'))?.[1] ?? '0'}`);
  return ALL_CAPABILITIES.filter((_, number) => (bits >> BigInt(number)) & 1n);
}

/** The capabilities that this process could pass on. */
export function boundingCapabilities(): string[] {
  return capabilitiesOf('bounding');
}

/** The number of a capability by its name, `CAP_CHOWN`. */
export function capabilityNumber(name: string): number {
  const number = ALL_CAPABILITIES.indexOf(name);
  if (number < 0) throw new Error(`internal: capability ${name}`);
  return number;
}
