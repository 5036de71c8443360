import { closeSync, existsSync, symlinkSync } from 'node:fs';
import { errnoOf } from '../../core/errors.ts';
import { containerSyscalls } from '../container-syscalls.ts';
import type { InitSyscalls } from './init-syscalls.ts';

/** Major and minor of the devices that every container has (runtime-spec, config-linux.md, "Default Devices"). */
const DEVICES: Readonly<Record<string, { readonly major: number; readonly minor: number }>> = {
  null: { major: 1, minor: 3 },
  zero: { major: 1, minor: 5 },
  full: { major: 1, minor: 7 },
  random: { major: 1, minor: 8 },
  urandom: { major: 1, minor: 9 },
  tty: { major: 5, minor: 0 },
};

/** Symlinks of a container's /dev (runtime-spec, runtime-linux.md, "Dev symbolic links", and /dev/ptmx), and the one that runtimes add. */
const LINKS: Readonly<Record<string, string>> = {
  fd: '/proc/self/fd',
  stdin: '/proc/self/fd/0',
  stdout: '/proc/self/fd/1',
  stderr: '/proc/self/fd/2',
  ptmx: 'pts/ptmx',
  core: '/proc/kcore',
};

/** Fills the memory that is mounted on the root's /dev. Devices that are mounted there already stay. */
export function makeDevices(calls: InitSyscalls, root: string): void {
  const dev = containerSyscalls().openInRoot(root, Buffer.from('/dev'));
  const inDev = (name: string) => `/proc/self/fd/${dev}/${name}`;
  for (const [name, device] of Object.entries(DEVICES)) {
    if (!existsSync(inDev(name))) makeDevice(calls, dev, { name, device });
  }
  for (const [name, target] of Object.entries(LINKS)) symlinkSync(target, inDev(name));
  closeSync(dev);
}

interface DeviceNode {
  readonly name: string;
  readonly device: { readonly major: number; readonly minor: number };
}

/** In a user namespace nobody makes devices: there the machine's own is mounted. */
function makeDevice(calls: InitSyscalls, dev: number, { name, device }: DeviceNode): void {
  try {
    calls.makeDeviceAt(dev, name, device);
  } catch (error) {
    if (errnoOf(error) !== 'EPERM') throw error;
    calls.makeFileAt(dev, Buffer.from(name));
    const target = containerSyscalls().openInRoot(`/proc/self/fd/${dev}`, Buffer.from(name));
    const mount = calls.cloneMount(`/dev/${name}`, 'alone');
    calls.attachMount(mount, target);
    closeSync(mount);
    closeSync(target);
  }
}
