import { chmodSync, chownSync, lstatSync, mkdirSync, rmdirSync, writeFileSync } from 'node:fs';
import { type BytePath, hostPath, toBytePath } from '../core/byte-path.ts';
import { errnoOf } from '../core/errors.ts';
import { type FileTree, resolvePath } from '../core/file-tree.ts';
import { syscalls } from '../core/syscalls.ts';
import { rootView } from './root-view.ts';

/** Where a mount will lie, symlinks of the root already followed, and what it needs there. */
export interface MountPlace {
  readonly path: BytePath;
  readonly kind: 'dir' | 'file';
  /** Mode of a folder that is made for it, 755 unless given: runc gives a tmpfs that of the folder below. */
  readonly mode?: number;
}

/**
 * Makes below `layer` (an empty folder) the places that `places` need and `root` does not have. As the topmost lower folder of
 * the step's overlay it gives the runtime everything to mount on, while nothing of it is in the upper folder: a step that
 * changes nothing leaves an empty layer, and nothing has to be removed afterwards by a path that the step could have replaced
 * (CVE-2024-23652). A place below an earlier one lies in that mount and is the runtime's to make. Returns every folder and file that
 * was missing, parents first.
 */
export function makeMountStubs(root: FileTree, layer: string, places: readonly MountPlace[]): BytePath[] {
  const mounted: BytePath[] = [];
  const made: MountPlace[] = [];
  for (const place of places) {
    const covered = mounted.some((mount) => place.path === mount || place.path.startsWith(`${mount}/`));
    mounted.push(place.path);
    if (!covered && isMissing(root, place.path)) made.push(place);
  }
  const below = (path: BytePath) => `${toBytePath(layer)}${path}` as BytePath;
  for (const { path, kind, mode } of made) {
    for (const parent of parentsOf(path)) makeFolder(below(parent), 0o755);
    if (kind === 'dir') makeFolder(below(path), mode ?? 0o755);
    else writeFileSync(hostPath(below(path)), '', { mode: 0o644 });
  }
  const parents = [...new Set(made.flatMap(({ path }) => parentsOf(path)))].sort();
  // Deepest first, and after everything is made: making a child changes its folder's times.
  for (const parent of parents.toReversed()) {
    if (root.lstat(parent) !== undefined) copyAttributes(root.contentPath(parent), below(parent));
  }
  const missing = parents.filter((parent) => root.lstat(parent) === undefined);
  return [...missing, ...made.map(({ path }) => path)];
}

/**
 * Takes those folders of `stubs` out of `upperDir` that a step brought there by working in them, and left empty. For when the step is
 * over: nobody else writes to the folder.
 */
export function removeEmptyStubs(upperDir: string, stubs: readonly BytePath[]): void {
  const view = rootView(upperDir);
  for (const stub of stubs.toReversed()) {
    const isFolder = resolvePath(view, stub, 'follow') === stub && view.lstat(stub)?.type === 'dir';
    if (!isFolder || view.readdir(stub).length > 0) continue;
    const parent = view.contentPath((parentsOf(stub).at(-1) ?? '/') as BytePath);
    const { mtimeNs } = lstatSync(hostPath(parent), { bigint: true });
    rmdirSync(hostPath(view.contentPath(stub)));
    setTime(parent, mtimeNs);
  }
}

/** Where something else stands in the way of a parent folder, nothing is made and the runtime says so. */
function isMissing(root: FileTree, path: BytePath): boolean {
  if (path === '/' || root.lstat(path) !== undefined) return false;
  return parentsOf(path).every((parent) => (root.lstat(parent)?.type ?? 'dir') === 'dir');
}

/** `/a/b/c` → `/a`, `/a/b`. */
function parentsOf(path: BytePath): BytePath[] {
  const names = path.split('/').slice(1, -1);
  return names.map((_, index) => `/${names.slice(0, index + 1).join('/')}` as BytePath);
}

function makeFolder(path: BytePath, mode: number): void {
  try {
    mkdirSync(hostPath(path));
    // Apart, because the umask holds for mkdir(2).
    chmodSync(hostPath(path), mode);
  } catch (error) {
    if (errnoOf(error) !== 'EEXIST') throw error;
  }
}

/** The stub layer lies above the root's own folders, so its copies of them must look the same. */
function copyAttributes(original: BytePath, copy: BytePath): void {
  const stat = lstatSync(hostPath(original), { bigint: true });
  chownSync(hostPath(copy), Number(stat.uid), Number(stat.gid));
  chmodSync(hostPath(copy), Number(stat.mode) & 0o7777);
  const { listXattrs, setXattr } = syscalls();
  for (const [name, value] of listXattrs(original)) {
    if (/^(trusted|user)\.overlay\.|^security\.selinux$/.test(name)) continue;
    try {
      setXattr(copy, name, value);
    } catch (error) {
      // Below Linux 6.6 a tmpfs takes no `user.*`.
      if (errnoOf(error) !== 'ENOTSUP' && errnoOf(error) !== 'EOPNOTSUPP') throw error;
    }
  }
  setTime(copy, stat.mtimeNs);
}

function setTime(path: BytePath, nanoseconds: bigint): void {
  const seconds = Number(nanoseconds / 1_000_000_000n) - (nanoseconds % 1_000_000_000n < 0n ? 1 : 0);
  syscalls().setTimes(path, seconds, Number(nanoseconds - BigInt(seconds) * 1_000_000_000n));
}
