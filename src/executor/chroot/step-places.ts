import {
  chmodSync,
  chownSync,
  closeSync,
  constants,
  linkSync,
  openSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { dirname } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { type BytePath, displayPath, hostPath, toBytePath } from '../../core/byte-path.ts';
import { SlipwayError } from '../../core/errors.ts';
import type { ContainerMount, ProcessSpec } from '../../core/executor.ts';
import { type FileTree, resolvePath } from '../../core/file-tree.ts';
import { syscalls } from '../../core/syscalls.ts';
import { hostsFile } from '../network/hosts-file.ts';
import { resolvConf } from '../network/resolv-conf.ts';
import type { OverlayXattrs } from '../overlay.ts';
import { relaySocket } from '../relay-socket.ts';
import { chrootSyscalls } from './chroot-syscalls.ts';
import { copyFolder, copyFromStack, FileCopier, setFileTimes } from './copy-files.ts';
import { makeDeviceFolder, makeFolder, makeProcFolder } from './kernel-folders.ts';
import { LayerMarks, LayerStack } from './layer-stack.ts';
import type { MakePlaced, PlacedFiles } from './placed-files.ts';

/** Where the kernel's folders lie in the root, symlinks followed. */
export interface KernelPlaces {
  readonly dev: BytePath;
  readonly proc: BytePath;
  readonly sys: BytePath;
}

type MountOf<Type extends ContainerMount['type']> = Extract<ContainerMount, { type: Type }>;

const LOCK_POLL_MS = 20;

/** Where the kernel's folders are to be placed. */
export function resolveKernelPlaces(placed: PlacedFiles): KernelPlaces {
  return { dev: placed.resolve('/dev'), proc: placed.resolve('/proc'), sys: placed.resolve('/sys') };
}

/** Puts what is to be had of /dev, /proc and /sys in their places. */
export function placeKernelFolders(placed: PlacedFiles, uid: number): void {
  placed.place('/dev', (host) => makeDeviceFolder(host, uid));
  placed.place('/proc', makeProcFolder);
  placed.place('/sys', (host) => makeFolder(host, 0o555));
}

/** Puts /etc/resolv.conf and /etc/hosts of a container in their places. */
export function placeNetworkFiles(placed: PlacedFiles, spec: ProcessSpec): void {
  placed.place('/etc/resolv.conf', (host) =>
    makeFile(host, resolvConf(spec.dns ?? { servers: [], search: [] }, 'host'), 0o644),
  );
  placed.place('/etc/hosts', (host) => makeFile(host, hostsFile(spec, 'host'), 0o644));
}

/**
 * Puts what a RUN's mounts show in their places, in the order of the mounts. Copies: what is written to a mount that is read-only elsewhere is thrown
 * away. A cache is linked in, and is what the step made of it when the places are removed. `cleanup` takes what must end with the step.
 */
export function placeMounts(
  placed: PlacedFiles,
  mounts: readonly ContainerMount[],
  options: { readonly xattrs: OverlayXattrs; readonly cleanup: DisposableStack },
): void {
  const shared = new Map<string, BytePath>();
  for (const mount of mounts) {
    if (mount.type === 'host' && mount.access === 'rw') placeCache(placed, mount, shared, options.xattrs);
    else placed.place(mount.target, makerOf(mount, options));
  }
}

/**
 * Takes every cache for itself alone, because two steps cannot both say what is in it afterwards. Waits for other steps and other processes;
 * they let go when they end, however that happens. Sorted, so that two steps never wait for each other.
 */
export async function lockCaches(mounts: readonly ContainerMount[], signal: AbortSignal): Promise<Disposable> {
  using locks = new DisposableStack();
  const caches = mounts.filter((mount) => mount.type === 'host' && mount.access !== 'discard');
  const folders = caches.map((mount) => dirname((mount as MountOf<'host'>).source));
  for (const folder of [...new Set(folders)].sort()) {
    const fd = openSync(folder, constants.O_RDONLY | constants.O_DIRECTORY);
    locks.defer(() => closeSync(fd));
    while (!chrootSyscalls().tryLock(fd)) await delay(LOCK_POLL_MS, undefined, { signal });
  }
  return locks.move();
}

function makerOf(
  mount: ContainerMount,
  { xattrs, cleanup }: { readonly xattrs: OverlayXattrs; readonly cleanup: DisposableStack },
): MakePlaced {
  switch (mount.type) {
    case 'stack': {
      const stack = new LayerStack(mount.stack.lowerDirs, xattrs);
      return copyMaker(stack, mount);
    }
    case 'host': {
      if (statSync(mount.source).isDirectory()) return copyMaker(new LayerStack([mount.source], xattrs), mount);
      const file = fileAt(mount.source, xattrs);
      return (host) => new FileCopier().copy(file, host);
    }
    case 'tmpfs':
      // As in BuildKit: a folder's mode stays when memory is mounted over it, and a new one is everybody's.
      return (host, covered) => makeFolder(host, covered?.type === 'dir' ? covered.mode : 0o1777);
    case 'secret':
      return (host) => {
        makeFile(host, mount.data, 0o600);
        giveTo(host, mount);
      };
    case 'socket':
      return (host) => {
        cleanup.use(relaySocket(mount.source, Buffer.from(host, 'latin1').toString()));
        giveTo(host, mount);
      };
    default: {
      const unknown: never = mount;
      throw new Error(`internal: mount ${JSON.stringify(unknown)}`);
    }
  }
}

function copyMaker(stack: LayerStack, mount: MountOf<'stack'> | MountOf<'host'>): MakePlaced {
  const path = sourcePath(stack, mount);
  return (host) => {
    if (stack.find(path) === undefined) makeFolder(host, 0o755);
    else copyFromStack(stack, path, host);
  };
}

/** A cache that is mounted twice is one folder with two names. */
function placeCache(
  placed: PlacedFiles,
  mount: MountOf<'host'>,
  shared: Map<string, BytePath>,
  xattrs: OverlayXattrs,
): void {
  const stack = new LayerStack([mount.source], xattrs);
  const source = stack.contentPath(sourcePath(stack, mount));
  const first = shared.get(source);
  if (first !== undefined) {
    placed.place(mount.target, (host) => symlinkSync(hostPath(first), hostPath(host)));
    return;
  }
  const path = placed.place(
    mount.target,
    (host) => linkTree(source, host, xattrs),
    (host) => chrootSyscalls().exchange(host, source),
  );
  shared.set(source, path);
}

/** The same files in other folders: what the step writes into a file is in the cache at once, as if it were mounted. */
function linkTree(from: BytePath, to: BytePath, xattrs: OverlayXattrs): void {
  const stack = new LayerStack([Buffer.from(from, 'latin1').toString()], xattrs);
  const copier = new FileCopier();
  const visit = (path: BytePath, target: BytePath): void => {
    const file = stack.find(path);
    if (file === undefined) return;
    if (file.stat.type !== 'dir') {
      linkSync(hostPath(file.host), hostPath(target));
      return;
    }
    copyFolder(copier, file, target);
    for (const name of stack.readdir(path)) {
      visit((path === '/' ? `/${name}` : `${path}/${name}`) as BytePath, `${target}/${name}` as BytePath);
    }
    setFileTimes(target, file.stat);
  };
  if (syscalls().lstat(from)?.type === 'dir') visit('/' as BytePath, to);
  else linkSync(hostPath(from), hostPath(to));
}

function sourcePath(tree: FileTree, { path, target }: MountOf<'stack'> | MountOf<'host'>): BytePath {
  const resolved = resolvePath(tree, path, 'follow');
  if (resolved === '/' || (resolved !== undefined && tree.lstat(resolved) !== undefined)) return resolved;
  throw new SlipwayError(
    'SLIPWAY_MOUNT_SOURCE_MISSING',
    `cannot mount on ${target}: ${displayPath(path)} was not found in the mount's source`,
  );
}

function fileAt(source: string, xattrs: OverlayXattrs) {
  const file = new LayerMarks(xattrs).read(toBytePath(source));
  if (file === undefined || file === 'removed') throw new Error(`internal: ${source} vanished`);
  return file;
}

function makeFile(host: BytePath, data: string | Uint8Array, mode: number): void {
  writeFileSync(hostPath(host), data, { mode, flag: 'wx' });
}

function giveTo(
  host: BytePath,
  { uid, gid, mode }: { readonly uid: number; readonly gid: number; readonly mode: number },
): void {
  chownSync(hostPath(host), uid, gid);
  chmodSync(hostPath(host), mode);
}
