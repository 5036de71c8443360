import { closeSync, constants, fstatSync } from 'node:fs';
import { constants as osConstants } from 'node:os';
import { DEVICE_XATTR, type DeviceNode, parsePlaceholder } from '../../core/layer-marks.ts';
import type { Caller, Credentials } from './caller.ts';
import type { Answer } from './notification.ts';
import { AT_SYMLINK_NOFOLLOW, type NotifiedCall, type ShowCall } from './notified-calls.ts';
import type { SupervisorSyscalls } from './supervisor-syscalls.ts';

type PathCall = Exclude<NotifiedCall, { readonly type: 'make' }>;

const { O_CREAT, O_EXCL, O_DIRECTORY, O_NOFOLLOW } = constants;
const O_PATH = 0o10000000;
const S_IF = { char: 0o020000, block: 0o060000 } as const;
const S_IFMT = 0o170000;

/** Where a result has its mode and its device number (asm/stat.h, linux/stat.h). */
const STAT_LAYOUTS: Partial<Record<NodeJS.Architecture, { readonly mode: number; readonly device: number }>> = {
  x64: { mode: 24, device: 40 },
  arm64: { mode: 16, device: 32 },
};
const STATX_LAYOUT = { mode: 28, major: 128, minor: 132 } as const;

/** Shows a file that stands for a device node as that; of all others the kernel tells. */
export function answerStat(calls: SupervisorSyscalls, caller: Caller, call: ShowCall): Answer {
  using found = findNode(calls, caller, { call, follows: (call.flags & AT_SYMLINK_NOFOLLOW) === 0 });
  if (found === undefined) return 'by-kernel';
  const result =
    call.form === 'stat' ? calls.stat(found.descriptor) : calls.statx(found.descriptor, call.flags, call.mask);
  if (call.form === 'stat') showInStat(result, found.device);
  else showInStatx(result, found.device);
  caller.write(call.result, result);
  return 'done';
}

/** Refuses to open such a file, as a step's root refuses to open devices. */
export function answerOpen(
  calls: SupervisorSyscalls,
  caller: Caller,
  call: Extract<NotifiedCall, { readonly type: 'open' }>,
): Answer {
  const { flags } = call;
  const isNewOnly = (flags & O_CREAT) !== 0 && (flags & O_EXCL) !== 0;
  if (isNewOnly || (flags & O_DIRECTORY) !== 0) return 'by-kernel';
  using found = findNode(calls, caller, { call, follows: (flags & O_NOFOLLOW) === 0 });
  return found === undefined ? 'by-kernel' : { errno: osConstants.errno.EACCES };
}

interface FoundNode extends Disposable {
  readonly descriptor: number;
  readonly device: DeviceNode;
}

interface Search {
  readonly call: PathCall;
  readonly follows: boolean;
  /** By whose rights; without, by those of root. */
  readonly as?: Credentials;
}

function findNode(calls: SupervisorSyscalls, caller: Caller, search: Search): FoundNode | undefined {
  const descriptor = openPath(calls, caller, search);
  if (descriptor === undefined) return undefined;
  const device = deviceOf(calls, descriptor);
  if (device === undefined || !mayReach(calls, caller, search)) {
    closeSync(descriptor);
    return undefined;
  }
  return { descriptor, device, [Symbol.dispose]: () => closeSync(descriptor) };
}

function openPath(calls: SupervisorSyscalls, caller: Caller, { call, follows, as }: Search): number | undefined {
  const flags = O_PATH | (follows ? 0 : O_NOFOLLOW);
  const descriptor = caller.inItsRoot(call.path, ({ path, folder }) => {
    const open = () => calls.openAt(folder, path, flags);
    return as === undefined ? open() : calls.withOwner(as, open);
  });
  return descriptor === undefined || descriptor < 0 ? undefined : descriptor;
}

/** The supervisor may go where a user of the step may not. Few files come so far, so nothing else has to wait for this. */
function mayReach(calls: SupervisorSyscalls, caller: Caller, search: Search): boolean {
  const owner = caller.credentials();
  if (owner.uid === 0) return true;
  const descriptor = openPath(calls, caller, { ...search, as: owner });
  if (descriptor !== undefined) closeSync(descriptor);
  return descriptor !== undefined;
}

function deviceOf(calls: SupervisorSyscalls, descriptor: number): DeviceNode | undefined {
  const stat = fstatSync(descriptor);
  if (!stat.isFile() || stat.size !== 0) return undefined;
  const standsFor = calls.attribute(descriptor, DEVICE_XATTR);
  return standsFor === undefined ? undefined : parsePlaceholder(standsFor);
}

function showInStat(stat: Buffer, { type, major, minor }: DeviceNode): void {
  const layout = STAT_LAYOUTS[process.arch];
  if (layout === undefined) throw new Error(`internal: struct stat of ${process.arch}`);
  stat.writeUInt32LE((stat.readUInt32LE(layout.mode) & ~S_IFMT) | S_IF[type], layout.mode);
  const number = BigInt(minor & 0xff) | (BigInt(major) << 8n) | (BigInt(minor & ~0xff) << 12n);
  stat.writeBigUInt64LE(number, layout.device);
}

function showInStatx(stat: Buffer, { type, major, minor }: DeviceNode): void {
  stat.writeUInt16LE((stat.readUInt16LE(STATX_LAYOUT.mode) & ~S_IFMT) | S_IF[type], STATX_LAYOUT.mode);
  stat.writeUInt32LE(major, STATX_LAYOUT.major);
  stat.writeUInt32LE(minor, STATX_LAYOUT.minor);
}
