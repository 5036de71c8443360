import { closeSync, fstatSync, lstatSync } from 'node:fs';
import { errnoOf } from '../../core/errors.ts';
import { containerSyscalls } from '../container-syscalls.ts';
import type { OciMount, OciSpec } from '../oci-spec.ts';
import { makeDevices } from './devices.ts';
import { hidePaths } from './hidden-paths.ts';
import type { InitSyscalls } from './init-syscalls.ts';
import { mountOptions } from './mount-options.ts';

/**
 * Makes every mount of the container and puts the process into its root. Each place is found by the kernel within that root
 * (openat2(2), RESOLVE_IN_ROOT) and mounted on by descriptor, so no symlink of the image or of a step that shares a mount leads out.
 */
export function enterRoot(calls: InitSyscalls, spec: OciSpec): void {
  for (const mount of spec.mounts) addMount(calls, spec.root.path, mount);
  makeDevices(calls, spec.root.path, spec.linux.devices ?? []);
  hidePaths(calls, spec.root.path, spec.linux);
  calls.changeRoot(spec.root.path);
}

function addMount(calls: InitSyscalls, root: string, mount: OciMount): void {
  refuseReplaced(root, mount);
  const source = detachedMount(calls, mount);
  try {
    const target = openPlace(calls, root, { path: mount.destination, kind: kindOf(source) });
    calls.attachMount(source, target);
    closeSync(target);
  } catch (error) {
    throw Object.assign(new Error(`cannot mount on ${mount.destination}: ${(error as Error).message}`), {
      code: errnoOf(error),
    });
  } finally {
    closeSync(source);
  }
}

/** A procfs that a symlink puts elsewhere would be without its masks (CVE-2023-28642). */
function refuseReplaced(root: string, { type, destination }: OciMount): void {
  if (type !== 'proc' && type !== 'sysfs') return;
  if (!lstatSync(`${root}${destination}`).isDirectory()) throw new Error(`${destination} of the image is no folder`);
}

function detachedMount(calls: InitSyscalls, { type, source, options }: OciMount): number {
  const { attributes, bind, depth, parameters } = mountOptions(options);
  if (type === 'cgroup') return cgroupMount(calls, attributes);
  if (bind === undefined) return calls.newMount(type, [['source', source], ...parameters], attributes);
  const mount = calls.cloneMount(source, bind);
  if (attributes !== 0) calls.addMountAttributes(mount, attributes, depth);
  return mount;
}

/** The unified hierarchy from this process's own cgroup on; where the kernel does not let that be mounted, what the builder has there. */
function cgroupMount(calls: InitSyscalls, attributes: number): number {
  try {
    return calls.newMount('cgroup2', [['source', 'cgroup2']], attributes);
  } catch (error) {
    if (!['EPERM', 'ENODEV', 'EBUSY'].includes(errnoOf(error) ?? '')) throw error;
    const mount = calls.cloneMount('/sys/fs/cgroup', 'recursive');
    calls.addMountAttributes(mount, attributes, 'recursive');
    return mount;
  }
}

function kindOf(mount: number): 'dir' | 'file' {
  return fstatSync(mount).isDirectory() ? 'dir' : 'file';
}

/** A descriptor of the place in the root, which is made where it lies in an earlier mount and is missing. */
function openPlace(
  calls: InitSyscalls,
  root: string,
  { path, kind }: { readonly path: string; readonly kind: 'dir' | 'file' },
): number {
  const { openInRoot } = containerSyscalls();
  try {
    return openInRoot(root, Buffer.from(path));
  } catch (error) {
    if (errnoOf(error) !== 'ENOENT') throw error;
  }
  const slash = path.lastIndexOf('/');
  const folder = openPlace(calls, root, { path: path.slice(0, slash) || '/', kind: 'dir' });
  try {
    const name = Buffer.from(path.slice(slash + 1));
    if (kind === 'dir') calls.makeFolderAt(folder, name);
    else calls.makeFileAt(folder, name);
  } catch (error) {
    // Made meanwhile by a step that shares the mount.
    if (errnoOf(error) !== 'EEXIST') throw error;
  } finally {
    closeSync(folder);
  }
  return openInRoot(root, Buffer.from(path));
}
