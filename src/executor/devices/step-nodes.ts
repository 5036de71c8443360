import { chmodSync, mkdirSync, rmSync } from 'node:fs';
import { toBytePath } from '../../core/byte-path.ts';
import { errnoOf } from '../../core/errors.ts';
import { syscalls } from '../../core/syscalls.ts';

/** The devices that every container has (runtime-spec, config-linux.md, "Default Devices"), less those that runtimes link. */
export const STANDARD_DEVICES: ReadonlyMap<string, readonly [major: number, minor: number]> = new Map([
  ['/dev/null', [1, 3]],
  ['/dev/zero', [1, 5]],
  ['/dev/full', [1, 7]],
  ['/dev/random', [1, 8]],
  ['/dev/urandom', [1, 9]],
  ['/dev/tty', [5, 0]],
]);

const CHARACTER_DEVICE = 0o020000;
const EVERYBODYS = 0o666;

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
    for (const [device, [major, minor]] of STANDARD_DEVICES) {
      syscalls().mknod(toBytePath(node(device)), CHARACTER_DEVICE | EVERYBODYS, major, minor);
      // Whatever the umask is.
      chmodSync(node(device), EVERYBODYS);
    }
  } catch (error) {
    remove();
    if (errnoOf(error) === 'EPERM') return undefined;
    throw error;
  }
  return { node, [Symbol.dispose]: remove };
}
