import { closeSync, constants, fstatSync, lstatSync } from 'node:fs';
import { type DeviceNode, isRemoval } from '../../core/layer-marks.ts';
import { capabilityNumber } from '../capabilities.ts';
import type { Caller, CallerView, Credentials } from './caller.ts';
import type { MadeNode } from './made-nodes.ts';
import type { Answer } from './notification.ts';
import type { NotifiedCall } from './notified-calls.ts';
import type { SupervisorSyscalls } from './supervisor-syscalls.ts';

/** An answered mknod(2). Who gave it closes it. */
export interface MakeResult extends Disposable {
  readonly answer: Answer;
  readonly made?: MadeNode;
  /** Takes back what was made for a caller that waits no more: a signal came in between, and it will call again. */
  undo(): void;
}

type MakeCall = Extract<NotifiedCall, { readonly type: 'make' }>;

const S_IFSOCK = 0o140000;
const O_PATH = 0o10000000;
const NEEDED_CAPABILITIES = ['CAP_MKNOD', 'CAP_DAC_OVERRIDE'];
const NOTHING_MADE: MakeResult = { answer: 'by-kernel', undo: () => {}, [Symbol.dispose]: () => {} };

/**
 * Makes a socket where the caller wants a device node: everybody may make one, it has a mode and an owner, can be moved and linked, and cannot
 * be opened. It is made by the kernel's rules for the caller's paths, umask and folders, and only where root of the step could have made
 * it itself; `device` is the number of the filesystem that a layer is made from. Anything else is left to the kernel, which refuses it.
 */
export function makeNode(calls: SupervisorSyscalls, caller: Caller, call: MakeCall, device: number): MakeResult {
  // It would be a removal in the layer's folder; the kernel knows where everybody may make it.
  if (isRemoval(call.device)) return NOTHING_MADE;
  const credentials = caller.credentials();
  if (!isStepRoot(credentials)) return NOTHING_MADE;
  const place = caller.inItsRoot(call.path, (view) => makeSocket(calls, view, { call, credentials, device }));
  if (place === undefined) return NOTHING_MADE;
  const { folder, name, result } = place;
  // Another process may have moved it away by now: it then stays what it is, and a layer has no sockets.
  const made = result < 0 ? undefined : madeAt(folder, name, call.device);
  return {
    answer: result < 0 ? { errno: -result } : 'done',
    ...(made === undefined ? {} : { made }),
    undo: () => void calls.unlinkAt(folder, name),
    [Symbol.dispose]: () => closeSync(folder),
  };
}

/** Others of a step's users can have no capability of a container without being root before. */
function isStepRoot({ uid, capabilities }: Credentials): boolean {
  const has = (name: string) => ((capabilities >> BigInt(capabilityNumber(name))) & 1n) === 1n;
  return uid === 0 && NEEDED_CAPABILITIES.every(has);
}

interface SocketRequest {
  readonly call: MakeCall;
  readonly credentials: Credentials;
  readonly device: number;
}

function makeSocket(
  calls: SupervisorSyscalls,
  { path, folder: start }: CallerView,
  { call, credentials, device }: SocketRequest,
): { readonly folder: number; readonly name: Buffer; readonly result: number } | undefined {
  const [parent, name] = splitPath(path);
  const folder = calls.openAt(start, parent, O_PATH | constants.O_DIRECTORY);
  if (folder < 0) return undefined;
  if (fstatSync(folder).dev !== device) {
    closeSync(folder);
    return undefined;
  }
  calls.umask(credentials.umask);
  const result = calls.withOwner(credentials, () => calls.makeNodeAt(folder, name, S_IFSOCK | call.mode));
  return { folder, name, result };
}

/** What comes before the last name, with its slash, or `.`; and the last name. Each with a null byte at its end. */
function splitPath(path: Buffer): [Buffer, Buffer] {
  const slash = path.lastIndexOf('/');
  const parent = slash < 0 ? '.' : path.subarray(0, slash + 1);
  return [Buffer.concat([Buffer.from(parent), Buffer.alloc(1)]), path.subarray(slash + 1)];
}

function madeAt(folder: number, name: Buffer, device: DeviceNode): MadeNode | undefined {
  const path = Buffer.concat([Buffer.from(`/proc/self/fd/${folder}/`), name.subarray(0, -1)]);
  const stat = lstatSync(path, { bigint: true, throwIfNoEntry: false });
  return stat?.isSocket() === true ? { inode: stat.ino, bornAt: stat.birthtimeNs, device } : undefined;
}
