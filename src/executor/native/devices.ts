import { closeSync, existsSync, lstatSync, mkdirSync, symlinkSync } from 'node:fs';
import { dirname } from 'node:path';
import { errnoOf } from '../../core/errors.ts';
import { containerSyscalls } from '../container-syscalls.ts';
import type { OciDevice } from '../devices/oci-device.ts';
import { STANDARD_DEVICES } from '../devices/standard-devices.ts';
import type { InitSyscalls } from './init-syscalls.ts';

/** Symlinks of a container's /dev (runtime-spec, runtime-linux.md, "Dev symbolic links", and /dev/ptmx). */
const LINKS: Readonly<Record<string, string>> = {
  fd: '/proc/self/fd',
  stdin: '/proc/self/fd/0',
  stdout: '/proc/self/fd/1',
  stderr: '/proc/self/fd/2',
  ptmx: 'pts/ptmx',
};

/** Fills the memory that is mounted on the root's /dev, with `more` too. Devices that are mounted there already stay. */
export function makeDevices(calls: InitSyscalls, root: string, more: readonly OciDevice[]): void {
  // Nodes have their mode from the start: a path to change it by may be a symlink by then.
  const umask = process.umask(0);
  const dev = containerSyscalls().openInRoot(root, Buffer.from('/dev'));
  for (const device of [...STANDARD_DEVICES, ...more]) makeDevice(calls, dev, device);
  for (const [name, target] of Object.entries(LINKS)) symlinkSync(target, `/proc/self/fd/${dev}/${name}`);
  // The one that runtimes add, where it leads somewhere.
  if (existsSync('/proc/kcore')) symlinkSync('/proc/kcore', `/proc/self/fd/${dev}/core`);
  closeSync(dev);
  process.umask(umask);
}

function makeDevice(calls: InitSyscalls, dev: number, device: OciDevice): void {
  const name = device.path.slice('/dev/'.length);
  const path = `/proc/self/fd/${dev}/${name}`;
  if (lstatSync(path, { throwIfNoEntry: false }) !== undefined) return;
  if (name.includes('/')) mkdirSync(dirname(path), { recursive: true, mode: 0o755 });
  try {
    calls.makeDeviceAt(dev, name, device);
  } catch (error) {
    if (errnoOf(error) !== 'EPERM') throw error;
    mountDevice(calls, dev, name);
  }
}

/** In a user namespace nobody makes devices: there the machine's own is mounted. */
function mountDevice(calls: InitSyscalls, dev: number, name: string): void {
  calls.makeFileAt(dev, Buffer.from(name));
  const target = containerSyscalls().openInRoot(`/proc/self/fd/${dev}`, Buffer.from(name));
  const mount = calls.cloneMount(`/dev/${name}`, 'alone');
  calls.attachMount(mount, target);
  closeSync(mount);
  closeSync(target);
}
