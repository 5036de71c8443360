import { errnoOf } from '../../core/errors.ts';
import { capabilityNumber } from '../capabilities.ts';
import type { OciSpec } from '../oci-spec.ts';
import type { InitSyscalls } from './init-syscalls.ts';

/** Resource numbers of setrlimit(2), by their place. */
const RESOURCES =
  'CPU FSIZE DATA STACK CORE RSS NPROC NOFILE MEMLOCK AS LOCKS SIGPENDING MSGQUEUE NICE RTPRIO RTTIME'.split(' ');
const CAPABILITY_LIMIT = 64;

/** A filter of system calls. */
export interface SeccompSetting {
  /** `struct sock_filter[]` */
  readonly program: Uint8Array;
  /** A socket to whoever answers the calls that the filter asks about. */
  readonly supervisor: number | undefined;
}

/**
 * Gives up what the command must not have, in the order that the kernel asks for: what needs a capability comes before that is
 * dropped, and the filter before all capabilities go, since the process may gain privileges again by setuid programs.
 */
export function dropPrivileges(
  calls: InitSyscalls,
  { user, rlimits, capabilities }: OciSpec['process'],
  seccomp: SeccompSetting | undefined,
): void {
  joinNewKeyring(calls);
  const [bounding, inheritable] = [capabilitySet(capabilities.bounding), capabilitySet(capabilities.inheritable)];
  dropBounding(calls, bounding);
  setLimits(calls, rlimits);
  if (seccomp !== undefined) setFilter(calls, seccomp);
  process.umask(user.umask);
  calls.setGroups(user.additionalGids);
  calls.setGroup(user.gid);
  calls.setUser(user.uid);
  calls.setCapabilities({
    effective: capabilitySet(capabilities.effective),
    permitted: capabilitySet(capabilities.permitted),
    inheritable,
  });
  for (const name of capabilities.ambient ?? []) calls.raiseAmbient(capabilityNumber(name));
}

/** Both descriptors end with execve(2). */
function setFilter(calls: InitSyscalls, { program, supervisor }: SeccompSetting): void {
  if (supervisor === undefined) calls.setSeccompFilter(program);
  else calls.sendDescriptor(supervisor, calls.setNotifyingFilter(program));
}

/** A container around the builder may forbid keyrings, and a kernel may have none: then there are no keys to be seen either. */
function joinNewKeyring(calls: InitSyscalls): void {
  try {
    calls.newSessionKeyring();
  } catch (error) {
    if (errnoOf(error) !== 'ENOSYS' && errnoOf(error) !== 'EPERM') throw error;
  }
}

function dropBounding(calls: InitSyscalls, kept: bigint): void {
  for (let capability = 0; capability < CAPABILITY_LIMIT; capability++) {
    const isBounding = calls.isBounding(capability);
    if (isBounding === undefined) return;
    if (isBounding && ((kept >> BigInt(capability)) & 1n) === 0n) calls.dropBounding(capability);
  }
}

function setLimits(calls: InitSyscalls, rlimits: OciSpec['process']['rlimits']): void {
  for (const { type, soft, hard } of rlimits) {
    const resource = RESOURCES.indexOf(type.replace('RLIMIT_', ''));
    try {
      calls.setLimit(resource, limit(soft), limit(hard));
    } catch (error) {
      const name = type.replace('RLIMIT_', '').toLowerCase();
      throw Object.assign(new Error(`cannot set the limit ${name}=${soft}:${hard}: ${(error as Error).message}`), {
        code: errnoOf(error),
      });
    }
  }
}

function limit(value: unknown): bigint {
  if (typeof value === 'bigint') return value;
  throw new Error(`internal: limit ${String(value)}`);
}

function capabilitySet(names: readonly string[] | undefined): bigint {
  return (names ?? []).reduce((set, name) => set | (1n << BigInt(capabilityNumber(name))), 0n);
}
