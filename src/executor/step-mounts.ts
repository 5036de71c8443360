import {
  chmodSync,
  chownSync,
  closeSync,
  cpSync,
  fstatSync,
  mkdirSync,
  mkdtempSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { type BytePath, displayPath } from '../core/byte-path.ts';
import { errnoOf, SlipwayError } from '../core/errors.ts';
import type { ContainerMount, RootStack } from '../core/executor.ts';
import { MOUNT, syscalls } from '../core/syscalls.ts';
import { containerSyscalls } from './container-syscalls.ts';
import { lockedMountOptions } from './locked-mount-options.ts';
import type { MountPlace } from './mount-stubs.ts';
import type { OciMount } from './oci-spec.ts';
import { mountOverlay, type OverlayXattrs } from './overlay.ts';
import { relaySocket } from './relay-socket.ts';

/** A mount whose source is ready: what the runtime is told, less its target, and what kind of place it needs. */
export interface PreparedMount {
  readonly kind: MountPlace['kind'];
  readonly mount: Omit<OciMount, 'destination'>;
}

export interface StepMountOptions {
  /** The container's private folder; sources are mounted below it and go with it. */
  readonly folder: string;
  /** Folder on disk for what a step writes into `discard` mounts. */
  readonly scratchDir: string;
  readonly xattrs: OverlayXattrs;
  /** Takes what must be undone when the container is gone; undone last first. */
  readonly cleanup: DisposableStack;
}

/**
 * Makes the sources of a step's mounts: overlays of stacks, secrets in memory, relays of sockets. A path inside a source is
 * resolved by the kernel within that source, at once with mounting it, so a step that shares the source cannot swap it for a
 * symlink in between (CVE-2024-23651, CVE-2024-1753).
 */
export function prepareMount(mount: ContainerMount, index: number, options: StepMountOptions): PreparedMount {
  const place = `${options.folder}/m${index}`;
  switch (mount.type) {
    case 'stack': {
      const root = overlayOf(mount.stack, `${place}-root`, mount.access, options);
      return bindInside({ root, path: mount.path, target: mount.target, access: mount.access, place });
    }
    case 'host': {
      const discarded = mount.access === 'discard' && statSync(mount.source).isDirectory();
      if (mount.access === 'discard' && !discarded) return copyOfFile(mount.source, place);
      const root = discarded
        ? overlayOf({ lowerDirs: [mount.source] }, `${place}-root`, 'discard', options)
        : mount.source;
      return bindInside({ root, path: mount.path, target: mount.target, access: mount.access, place });
    }
    case 'tmpfs': {
      const size = mount.sizeBytes === undefined ? [] : [`size=${mount.sizeBytes}`];
      return { kind: 'dir', mount: { type: 'tmpfs', source: 'tmpfs', options: ['nosuid', 'nodev', ...size] } };
    }
    case 'secret': {
      writeFileSync(place, mount.data, { mode: 0o600, flag: 'wx' });
      chownSync(place, mount.uid, mount.gid);
      chmodSync(place, mount.mode);
      return { kind: 'file', mount: bind(place, ['ro', 'nosuid', 'nodev', 'noexec']) };
    }
    case 'socket': {
      options.cleanup.use(relaySocket(mount.source, place));
      chownSync(place, mount.uid, mount.gid);
      chmodSync(place, mount.mode);
      return { kind: 'file', mount: bind(place, ['nosuid', 'nodev', 'noexec']) };
    }
    default: {
      const unknown: never = mount;
      throw new Error(`internal: mount ${JSON.stringify(unknown)}`);
    }
  }
}

/** An overlay of the stack on the new folder `target`; with `discard`, what is written goes to disk and is removed afterwards. */
function overlayOf(
  stack: RootStack,
  target: string,
  access: 'ro' | 'discard',
  { scratchDir, xattrs, cleanup }: StepMountOptions,
): string {
  mkdirSync(target);
  const [empty, scratch] = [`${target}-empty`, `${target}-scratch`];
  mkdirSync(empty);
  mkdirSync(scratch);
  if (access === 'ro') {
    // Without an upper folder overlayfs wants two lower ones.
    const lowerDirs = [empty, ...(stack.lowerDirs.length > 0 ? stack.lowerDirs : [scratch])];
    mountOverlay(target, { lowerDirs, xattrs }, scratch);
    return target;
  }
  mkdirSync(scratchDir, { recursive: true });
  const disk = mkdtempSync(`${scratchDir}/discard-`);
  cleanup.defer(() => rmSync(disk, { recursive: true, force: true }));
  const upper = { upperDir: `${disk}/upper`, workDir: `${disk}/work` };
  mkdirSync(upper.upperDir, 0o755);
  mkdirSync(upper.workDir);
  mountOverlay(target, { lowerDirs: stack.lowerDirs.length > 0 ? stack.lowerDirs : [empty], upper, xattrs }, scratch);
  cleanup.defer(() => syscalls().unmount(target));
  return target;
}

interface InsideBind {
  readonly root: string;
  readonly path: BytePath;
  /** For messages. */
  readonly target: string;
  readonly access: 'ro' | 'rw' | 'discard';
  readonly place: string;
}

function bindInside({ root, path, target, access, place }: InsideBind): PreparedMount {
  const fd = openSource(root, path, target);
  try {
    const stat = fstatSync(fd);
    const kind = stat.isDirectory() ? 'dir' : 'file';
    if (kind === 'dir') mkdirSync(place);
    else writeFileSync(place, '');
    syscalls().mount(`/proc/self/fd/${fd}`, place, '', MOUNT.bind | MOUNT.recursive, '');
    return { kind, mount: bind(place, ['nodev', ...(access === 'ro' ? ['ro'] : []), ...lockedMountOptions(place)]) };
  } finally {
    closeSync(fd);
  }
}

function openSource(root: string, path: BytePath, target: string): number {
  try {
    return containerSyscalls().openInRoot(root, Buffer.from(path === '' ? '/' : path, 'latin1'));
  } catch (error) {
    if (!['ENOENT', 'ENOTDIR', 'ELOOP'].includes(errnoOf(error) ?? '')) throw error;
    throw new SlipwayError(
      'SLIPWAY_MOUNT_SOURCE_MISSING',
      `cannot mount on ${target}: ${displayPath(path)} was not found in the mount's source (${errnoOf(error)})`,
      { cause: error },
    );
  }
}

function copyOfFile(source: string, place: string): PreparedMount {
  // The copy is in memory and goes with the container's folder.
  cpSync(source, place, { preserveTimestamps: true });
  return { kind: 'file', mount: bind(place, ['nodev']) };
}

function bind(source: string, options: readonly string[]): Omit<OciMount, 'destination'> {
  return { type: 'none', source, options: ['rbind', ...options] };
}
