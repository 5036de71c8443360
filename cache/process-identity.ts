import { readFileSync, readlinkSync } from 'node:fs';
import { errnoOf } from '../src/core/errors.ts';

/**
 * Names a process beyond the reuse of its pid: `<pid>-<start time in ticks>-<boot id>-<pid namespace>`, only `[0-9a-f-]`. It is
 * what leases and temporary folders carry, so that another process can tell whether their owner still lives, without locks
 * and heartbeats.
 */
export type ProcessIdentity = string & { readonly __processIdentity: never };

const GRAMMAR = /^([0-9]{1,10})-([0-9]{1,20})-([0-9a-f]{32})-([0-9]{1,20})$/;

let own: ProcessIdentity | undefined;

/** The identity of this process; read from /proc once. */
export function ownIdentity(): ProcessIdentity {
  own ??= `${process.pid}-${startTimeOf(process.pid)}-${bootId()}-${pidNamespace()}` as ProcessIdentity;
  return own;
}

/** Whether `text` has the form of an identity. */
export function isProcessIdentity(text: string): text is ProcessIdentity {
  return GRAMMAR.test(text);
}

/**
 * Whether the process runs. `unknown`: it was started in another pid namespace of the same boot (another container that shares the
 * store), which cannot be looked into from here.
 */
export function livenessOf(identity: ProcessIdentity): 'alive' | 'dead' | 'unknown' {
  const [, pid, startTime, boot, namespace] = GRAMMAR.exec(identity) ?? [];
  if (boot !== bootId()) return 'dead';
  if (namespace !== pidNamespace()) return 'unknown';
  return startTimeOf(Number(pid)) === startTime ? 'alive' : 'dead';
}

function bootId(): string {
  return readFileSync('/proc/sys/kernel/random/boot_id', 'latin1').trim().replaceAll('-', '');
}

function pidNamespace(): string {
  return /[0-9]+/.exec(readlinkSync('/proc/self/ns/pid'))?.[0] ?? '0';
}

/** Field 22 of proc_pid_stat(5); the command name before it may contain anything, so it is cut off at its last parenthesis. */
function startTimeOf(pid: number): string | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    const [state, startTime] = [fields[0], fields[19]];
    return state === 'Z' || state === 'X' ? undefined : startTime;
  } catch (error) {
    if (errnoOf(error) === 'ENOENT' || errnoOf(error) === 'ESRCH') return undefined;
    throw error;
  }
}
