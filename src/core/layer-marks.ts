import { closeSync, constants, openSync } from 'node:fs';
import { type BytePath, hostPath } from './byte-path.ts';
import { errnoOf } from './errors.ts';
import { syscalls } from './syscalls.ts';

/**
 * Attribute of an empty file that stands for a device node where none may be made: `char 1 3`. `char 0 0` stands for what the device itself
 * would in a layer's folder: that the layers below have something of this name, and this one has not.
 */
export const DEVICE_XATTR = 'user.slipway.device';

/** Attribute of a layer's folder itself that has such files where a step sees them: outside of /dev. */
const SHOWN_DEVICES_XATTR = 'user.slipway.devices';

/** A device node by its numbers. */
export interface DeviceNode {
  readonly type: 'char' | 'block';
  readonly major: number;
  readonly minor: number;
}

/** The node that overlayfs takes as "removed". */
export const REMOVAL: DeviceNode = { type: 'char', major: 0, minor: 0 };

const S_IF = { char: 0o020000, block: 0o060000 } as const;
const CREATE = constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | constants.O_NOFOLLOW;

/**
 * Makes a device node at a path that does not exist, mode 600; where the kernel refuses (a user namespace, a layer's folder that lies on overlayfs
 * itself), an empty file that stands for it, so that it is not lost.
 */
export function makeDeviceNode(path: BytePath, device: DeviceNode): 'node' | 'placeholder' {
  const { type, major, minor } = device;
  try {
    syscalls().mknod(path, S_IF[type] | 0o600, major, minor);
    return 'node';
  } catch (error) {
    if (errnoOf(error) !== 'EPERM') throw error;
    closeSync(openSync(hostPath(path), CREATE, 0o600));
    syscalls().setXattr(path, DEVICE_XATTR, Buffer.from(`${type} ${major} ${minor}`));
    return 'placeholder';
  }
}

/** What the value of `DEVICE_XATTR` says; undefined for one that nobody wrote so. */
export function parsePlaceholder(value: Uint8Array): DeviceNode | undefined {
  const text = Buffer.from(value).toString('latin1');
  const [, type, major, minor] = /^(char|block) ([0-9]{1,10}) ([0-9]{1,10})$/.exec(text) ?? [];
  if (type !== 'char' && type !== 'block') return undefined;
  return { type, major: Number(major), minor: Number(minor) };
}

/** Whether the node means that something of the layers below is gone. */
export function isRemoval({ type, major, minor }: DeviceNode): boolean {
  return type === REMOVAL.type && major === REMOVAL.major && minor === REMOVAL.minor;
}

/** Says of a layer's folder that files in it, outside of /dev, stand for device nodes. */
export function markPlaceholders(folder: BytePath): void {
  syscalls().setXattr(folder, SHOWN_DEVICES_XATTR, Buffer.from('y'));
}

/** Whether files outside of /dev in the layer's folder may stand for device nodes. */
export function hasPlaceholders(folder: BytePath): boolean {
  return syscalls().listXattrs(folder).has(SHOWN_DEVICES_XATTR);
}
