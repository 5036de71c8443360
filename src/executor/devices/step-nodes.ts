import { chmodSync, mkdirSync, rmSync } from 'node:fs';
import { toBytePath } from '../../core/byte-path.ts';
import { errnoOf } from '../../core/errors.ts';
import { syscalls } from '../../core/syscalls.ts';
import { STANDARD_DEVICES } from './standard-devices.ts';

const CHARACTER_DEVICE = 0o020000;

/** Nodes of the standard devices for one step. Disposing removes them. */
export interface StepNodes extends Disposable {
  /** Where the node of a standard device is. */
  node(device: string): string;
}

/**
 * Makes a folder at `path`, which must not exist and be where devices can be used, with nodes that belong to the step: it may change their
 * owners and modes. Undefined where this process may make none, as without CAP_MKNOD and in a user namespace.
 */
export function makeStepNodes(path: string): StepNodes | undefined {
  mkdirSync(path);
  const node = (device: string) => `${path}/${device.slice('/dev/'.length)}`;
  const remove = () => rmSync(path, { recursive: true, force: true });
  try {
    for (const { path: device, major, minor, fileMode } of STANDARD_DEVICES) {
      syscalls().mknod(toBytePath(node(device)), CHARACTER_DEVICE | fileMode, major, minor);
      // Whatever the umask is.
      chmodSync(node(device), fileMode);
    }
  } catch (error) {
    remove();
    if (errnoOf(error) === 'EPERM') return undefined;
    throw error;
  }
  return { node, [Symbol.dispose]: remove };
}
