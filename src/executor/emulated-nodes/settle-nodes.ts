import { chmodSync, lchownSync, linkSync, lstatSync, readdirSync, unlinkSync } from 'node:fs';
import { type BytePath, hostPath, toBytePath } from '../../core/byte-path.ts';
import { makeDeviceNode, markPlaceholders } from '../../core/layer-marks.ts';
import { syscalls } from '../../core/syscalls.ts';
import type { MadeNodes } from './made-nodes.ts';

/**
 * Replaces the sockets in a step's upper folder that it has in the place of device nodes by the files that stand for those in a layer, with their
 * owners, modes, mtimes and links. No process may use the folder any more.
 */
export function settleNodes(upperDir: string, made: MadeNodes): void {
  if (made.size === 0) return;
  const root = toBytePath(upperDir);
  settleFolder({ root, made, settled: new Map() }, root);
}

const SECOND = 1_000_000_000n;

interface Settling {
  readonly root: BytePath;
  readonly made: MadeNodes;
  /** Where the first name of each was. */
  readonly settled: Map<bigint, BytePath>;
}

function settleFolder(settling: Settling, folder: BytePath): void {
  const { mtimeNs } = lstatSync(hostPath(folder), { bigint: true });
  let isChanged = false;
  for (const item of readdirSync(hostPath(folder), { withFileTypes: true, encoding: 'latin1' })) {
    const path = `${folder}/${item.name}` as BytePath;
    if (item.isDirectory()) settleFolder(settling, path);
    else if (item.isSocket()) isChanged = settleSocket(settling, path) || isChanged;
  }
  if (isChanged) setMtime(folder, mtimeNs);
}

/** Whether it was one of those that were made for device nodes. */
function settleSocket({ root, made, settled }: Settling, path: BytePath): boolean {
  const socket = lstatSync(hostPath(path), { bigint: true });
  const node = made.get(socket.ino);
  if (node === undefined || node.bornAt !== socket.birthtimeNs) return false;
  unlinkSync(hostPath(path));
  const first = settled.get(socket.ino);
  if (first !== undefined) {
    linkSync(hostPath(first), hostPath(path));
    return true;
  }
  settled.set(socket.ino, path);
  makeDeviceNode(path, node.device);
  if (!path.startsWith(`${root}/dev/`)) markPlaceholders(root);
  lchownSync(hostPath(path), Number(socket.uid), Number(socket.gid));
  chmodSync(hostPath(path), Number(socket.mode) & 0o7777);
  setMtime(path, socket.mtimeNs);
  return true;
}

function setMtime(path: BytePath, nanoseconds: bigint): void {
  syscalls().setTimes(path, Number(nanoseconds / SECOND), Number(nanoseconds % SECOND));
}
