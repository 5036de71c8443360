import { readFileSync } from 'node:fs';
import { totalmem } from 'node:os';
import { errnoOf } from '../../src/core/errors.ts';
import { formatBytes } from '../../src/core/format-bytes.ts';
import { isNearlyFull } from '../../src/core/free-space.ts';

/** What a server may make git do. */
export interface TransferLimits {
  /** How long git and what it started may neither compute nor read or write more than a little. */
  readonly idleMs: number;
  /** Bytes that git and what it started may have in memory together. */
  readonly memory: number;
}

/** A server that counts what it will send only says every five seconds that it is still there; http has limits of its own. */
export const TRANSFER_LIMITS: TransferLimits = { idleMs: 300_000, memory: Math.max(totalmem() / 2, 1024 ** 3) };

const INTERVAL_MS = 1000;
/** Less than this in the idle time is nothing. */
const LEAST_WORK = 100;

/**
 * Looks every second at a process, at those that it started, and at the disk of `folder`; calls `stop` once, with the reason, where one
 * of the limits is reached or the disk is nearly full. Disposing ends it.
 */
export function watchTransfer(
  pid: number,
  {
    folder,
    limits,
    stop,
  }: { readonly folder: string; readonly limits: TransferLimits; readonly stop: (reason: string) => void },
): Disposable {
  let [work, since] = [0, Date.now()];
  const look = () => {
    const usage = usageOf(pid);
    const now = Date.now();
    // Processes that ended take their share with them.
    if (Math.abs(usage.work - work) >= LEAST_WORK) [work, since] = [usage.work, now];
    const reason =
      usage.memory > limits.memory
        ? `it took more than ${formatBytes(limits.memory)} of memory`
        : isNearlyFull(folder)
          ? 'it would fill the disk'
          : now - since >= limits.idleMs
            ? `nothing came for ${limits.idleMs / 1000} s`
            : undefined;
    if (reason === undefined) return;
    clearInterval(timer);
    stop(reason);
  };
  const timer = setInterval(look, Math.min(INTERVAL_MS, limits.idleMs));
  return { [Symbol.dispose]: () => clearInterval(timer) };
}

interface Usage {
  /** Bytes read and written, and for each hundredth of a second of processor time as much as counts. */
  readonly work: number;
  /** Bytes of memory that are no file's. */
  readonly memory: number;
}

/** Of a process and of those below it; nothing for one that is gone. */
function usageOf(pid: number | string): Usage {
  const io = read(`/proc/${pid}/io`);
  const stat = read(`/proc/${pid}/stat`);
  // utime and stime (proc_pid_stat(5)), after the name, which may have spaces.
  const [user, system] = stat
    .slice(stat.lastIndexOf(')') + 2)
    .split(' ')
    .slice(11, 13);
  const bytes = numberAfter(io, 'rchar: ') + numberAfter(io, 'wchar: ');
  const ticks = Number(user ?? 0) + Number(system ?? 0);
  const own = {
    work: bytes + ticks * LEAST_WORK,
    memory: numberAfter(read(`/proc/${pid}/status`), 'RssAnon:') * 1024,
  };
  const children = read(`/proc/${pid}/task/${pid}/children`).split(' ').filter(Boolean);
  return children
    .map(usageOf)
    .reduce((sum, { work, memory }) => ({ work: sum.work + work, memory: sum.memory + memory }), own);
}

function numberAfter(text: string, name: string): number {
  const start = text.indexOf(name);
  return start < 0 ? 0 : Number.parseInt(text.slice(start + name.length), 10);
}

function read(path: string): string {
  try {
    return readFileSync(path, 'latin1');
  } catch (error) {
    const errno = errnoOf(error);
    if (errno !== 'ENOENT' && errno !== 'ESRCH' && errno !== 'EACCES') throw error;
    return '';
  }
}
