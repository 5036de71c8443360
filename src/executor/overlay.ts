import { spawnSync } from 'node:child_process';
import { mkdirSync, symlinkSync } from 'node:fs';
import { errnoOf, SlipwayError } from '../core/errors.ts';
import { MOUNT, syscalls } from '../core/syscalls.ts';
import { containerSyscalls } from './container-syscalls.ts';

/** What overlayfs puts together. `lowerDirs` are lowest first, at least one; without `upper` the mount cannot be written to. */
export interface OverlayFolders {
  readonly lowerDirs: readonly string[];
  readonly upper?: { readonly upperDir: string; readonly workDir: string };
  /** Whose attributes mark removals in the folders: overlayfs's option `userxattr` for `user`. */
  readonly xattrs: OverlayXattrs;
}

/** `trusted.overlay.*` or `user.overlay.*`; a user namespace has only the second. */
export type OverlayXattrs = 'trusted' | 'user';

/** mount(2) takes one page, less its last byte; longer options go another way. */
const MOUNT_DATA_LIMIT = 4095;
/** OVL_MAX_STACK of Linux, less the upper folder. */
const LOWER_LIMIT = 499;

/**
 * Mounts an overlay on `target` (an existing folder). Device nodes in it cannot be opened: a step may make them, and an image may
 * bring them, but the disks that they would reach are the host's. `scratch` is an empty folder that this may fill; it must stay as
 * long as the mount. Attributes of layers that ask overlayfs to look elsewhere (redirect, metacopy) are not obeyed.
 */
export function mountOverlay(target: string, folders: OverlayFolders, scratch: string): void {
  if (folders.lowerDirs.length > LOWER_LIMIT) {
    throw new SlipwayError(
      'SLIPWAY_LAYERS_TOO_MANY',
      `a step's root has ${folders.lowerDirs.length} layers; Linux puts at most ${LOWER_LIMIT} together`,
      { hint: 'join RUN and COPY instructions, or start a new stage with COPY --from=<stage> / /' },
    );
  }
  const flags = overlayFlags(folders);
  const paths = [...folders.lowerDirs, ...Object.values(folders.upper ?? {})];
  const data = mountData(folders, flags);
  if (Buffer.byteLength(data) <= MOUNT_DATA_LIMIT && !paths.some((path) => /[\\,:]/.test(path))) {
    syscalls().mount('overlay', target, 'overlay', MOUNT.nodev, data);
    return;
  }
  try {
    mountByParameters(target, folders, flags);
  } catch (error) {
    // ENOSYS: before Linux 5.2. EINVAL: before 6.5, which does not know `lowerdir+`.
    if (!['ENOSYS', 'EINVAL'].includes(errnoOf(error) ?? '')) throw error;
    mountByShortNames(target, folders, { flags, scratch });
  }
}

function overlayFlags({ upper, xattrs }: OverlayFolders): string[] {
  const flags = ['redirect_dir=nofollow', 'index=off', 'metacopy=off'];
  // A step's root is thrown away after a crash, so nothing has to reach the disk for overlayfs's sake.
  if (upper !== undefined) flags.push('volatile');
  if (xattrs === 'user') flags.push('userxattr');
  return flags;
}

function mountData(folders: OverlayFolders, flags: readonly string[]): string {
  const upper = folders.upper;
  const places = [`lowerdir=${folders.lowerDirs.toReversed().join(':')}`];
  if (upper !== undefined) places.push(`upperdir=${upper.upperDir}`, `workdir=${upper.workDir}`);
  return [...places, ...flags].join(',');
}

function mountByParameters(target: string, folders: OverlayFolders, flags: readonly string[]): void {
  const parameters: [string, string | undefined][] = folders.lowerDirs
    .toReversed()
    .map((folder) => ['lowerdir+', folder]);
  if (folders.upper !== undefined) {
    parameters.push(['upperdir', folders.upper.upperDir], ['workdir', folders.upper.workDir]);
  }
  for (const flag of flags) {
    const [key = '', value] = flag.split('=');
    parameters.push([key, value]);
  }
  containerSyscalls().mountByParameters('overlay', target, parameters);
}

/** For older kernels: mount(8) in a folder of symlinks with names so short that some hundred fit in a page. */
function mountByShortNames(
  target: string,
  folders: OverlayFolders,
  options: { readonly flags: readonly string[]; readonly scratch: string },
): void {
  const farm = `${options.scratch}/l`;
  mkdirSync(farm);
  const shorten = (path: string, name: string) => {
    symlinkSync(path, `${farm}/${name}`);
    return name;
  };
  const short: OverlayFolders = {
    xattrs: folders.xattrs,
    lowerDirs: folders.lowerDirs.map((folder, index) => shorten(folder, index.toString(36))),
    ...(folders.upper === undefined
      ? {}
      : { upper: { upperDir: shorten(folders.upper.upperDir, 'u_'), workDir: shorten(folders.upper.workDir, 'w_') } }),
  };
  const args = ['-i', '-t', 'overlay', 'overlay', target, '-o', `nodev,${mountData(short, options.flags)}`];
  const { status, stderr, error } = spawnSync('mount', args, { cwd: farm, encoding: 'utf8' });
  if (error !== undefined) throw error;
  if (status !== 0) throw new Error(`mount -t overlay on ${target}: ${stderr.trim()}`);
}
