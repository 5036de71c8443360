import { closeSync, fstatSync } from 'node:fs';
import { errnoOf } from '../../core/errors.ts';
import { containerSyscalls } from '../container-syscalls.ts';
import type { OciSpec } from '../oci-spec.ts';
import { type InitSyscalls, MOUNT_ATTRIBUTES } from './init-syscalls.ts';

/** makedev(1, 3). */
const NULL_DEVICE = 0x103;
const EMPTY = [
  ['source', 'tmpfs'],
  ['size', '0'],
] as const;

/** Covers the masked paths and makes the read-only ones so. What the kernel does not have is passed over. */
export function hidePaths(
  calls: InitSyscalls,
  root: string,
  { maskedPaths, readonlyPaths }: Pick<OciSpec['linux'], 'maskedPaths' | 'readonlyPaths'>,
): void {
  for (const path of readonlyPaths) {
    cover(calls, { root, path }, (place) => {
      const mount = calls.cloneMount(place, 'recursive');
      calls.addMountAttributes(mount, MOUNT_ATTRIBUTES.readonly, 'recursive');
      return mount;
    });
  }
  for (const path of maskedPaths) {
    cover(calls, { root, path }, (place) =>
      fstatSync(place).isDirectory() ? calls.newMount('tmpfs', EMPTY, MOUNT_ATTRIBUTES.readonly) : nullDevice(calls),
    );
  }
}

function cover(
  calls: InitSyscalls,
  { root, path }: { readonly root: string; readonly path: string },
  make: (place: number) => number,
): void {
  const place = openIfThere(root, path);
  if (place === undefined) return;
  const mount = make(place);
  calls.attachMount(mount, place);
  closeSync(mount);
  closeSync(place);
}

function openIfThere(root: string, path: string): number | undefined {
  try {
    return containerSyscalls().openInRoot(root, Buffer.from(path));
  } catch (error) {
    if (errnoOf(error) === 'ENOENT' || errnoOf(error) === 'ENOTDIR') return undefined;
    throw error;
  }
}

/** The machine's own, never the image's: that may be a link to what is to be hidden (CVE-2025-31133). */
function nullDevice(calls: InitSyscalls): number {
  const mount = calls.cloneMount('/dev/null', 'alone');
  const stat = fstatSync(mount);
  if (!stat.isCharacterDevice() || stat.rdev !== NULL_DEVICE) throw new Error('/dev/null is not the null device');
  calls.addMountAttributes(mount, MOUNT_ATTRIBUTES.readonly, 'alone');
  return mount;
}
