import { mkdirSync } from 'node:fs';
import { type BytePath, toBytePath } from '../core/byte-path.ts';
import { SlipwayError } from '../core/errors.ts';
import type { WritableRoot } from '../core/executor.ts';
import { type FileTree, resolvePath } from '../core/file-tree.ts';
import { MOUNT, syscalls } from '../core/syscalls.ts';
import { type MountPlace, makeMountStubs } from './mount-stubs.ts';
import type { OciMount } from './oci-spec.ts';
import { mountOverlay, type OverlayXattrs } from './overlay.ts';
import { rootView } from './root-view.ts';

/** A mount by the target that was asked for. Those without `mount` are the kernel's, which `ociSpec` adds itself. */
export interface WantedMount {
  readonly target: string;
  readonly kind: MountPlace['kind'];
  readonly mount?: Omit<OciMount, 'destination'>;
}

/** A mount, and where in the root it will lie. */
export type PlacedMount = MountPlace & Pick<WantedMount, 'mount'>;

export interface StepRootOptions {
  readonly folder: string;
  readonly xattrs: OverlayXattrs;
  /** Whether device nodes in the root can be opened. */
  readonly devices: 'usable' | 'dead';
}

/** Mounts the step's root below `folder`, with a place for every mount, and says where in it each will lie. */
export function mountRoot(
  { folder, xattrs, devices }: StepRootOptions,
  root: WritableRoot,
  wanted: readonly WantedMount[],
): { readonly rootPath: string; readonly placed: readonly PlacedMount[]; readonly stubs: readonly BytePath[] } {
  const make = (name: string) => {
    mkdirSync(`${folder}/${name}`, 0o755);
    return `${folder}/${name}`;
  };
  const [rootPath, stubs, before] = [make('rootfs'), make('stubs'), make('before')];
  // The root as it is before the step, to look around in: read-only, since what is mounted next uses the upper folder. It goes with
  // `folder`: taking it off alone would wait for the kernel once more.
  mountOverlay(before, { lowerDirs: [make('empty'), ...root.lowerDirs, root.upperDir], xattrs }, make('before-names'));
  const view = rootView(before);
  const placed = wanted.map((mount) => placeMount(view, mount));
  const made = makeMountStubs(view, stubs, placed);
  const lowerDirs = made.length > 0 || root.lowerDirs.length === 0 ? [...root.lowerDirs, stubs] : root.lowerDirs;
  const upper = { upperDir: root.upperDir, workDir: root.workDir };
  mountOverlay(rootPath, { lowerDirs, upper, xattrs }, make('names'));
  if (devices === 'usable') syscalls().mount('', rootPath, '', MOUNT.remount | MOUNT.bind, '');
  return { rootPath, placed, stubs: made };
}

function placeMount(view: FileTree, { target, kind, mount }: WantedMount): PlacedMount {
  const path = placeOf(view, target);
  if (mount === undefined) refuseReplaced(view, target);
  if (mount?.type !== 'tmpfs') return { path, kind, ...(mount === undefined ? {} : { mount }) };
  // As in BuildKit: a folder's mode stays when memory is mounted over it, and a new one is everybody's.
  const covered = view.lstat(path);
  const mode = covered?.type === 'dir' ? covered.mode : 0o1777;
  return { path, kind, mode, mount: { ...mount, options: [...mount.options, `mode=${mode.toString(8)}`] } };
}

/**
 * A symlink or file of the image in the place of /dev, /proc or /sys: runtimes make devices and links through it, also outside of the root
 * (CVE-2026-41579), and a procfs elsewhere is without its masks (CVE-2023-28642). What is deeper lies in mounts of the kernel.
 */
function refuseReplaced(view: FileTree, target: string): void {
  const entry = target.lastIndexOf('/') === 0 ? view.lstat(toBytePath(target)) : undefined;
  if (entry === undefined || entry.type === 'dir') return;
  throw new SlipwayError('SLIPWAY_RUN_ROOT_INVALID', `no step runs in this image: its ${target} is a ${entry.type}`, {
    hint: `${target} must be a folder, or missing, where the kernel's is mounted`,
  });
}

function placeOf(view: FileTree, target: string): BytePath {
  const path = resolvePath(view, toBytePath(target), 'follow');
  if (path !== undefined && path !== '/') return path;
  const found = path === undefined ? 'a loop of symlinks' : 'the root itself';
  throw new SlipwayError('SLIPWAY_MOUNT_TARGET_INVALID', `cannot mount on target ${target}: it is ${found}`);
}
