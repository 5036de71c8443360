import { chmodSync, chownSync, mkdirSync } from 'node:fs';
import { type BytePath, hostPath, toBytePath } from '../core/byte-path.ts';
import { SlipwayError } from '../core/errors.ts';
import { type FileTree, resolvePath } from '../core/file-tree.ts';
import type { UnixUser } from '../core/unix-users.ts';

/** Where the step starts. A folder that the root lacks is made, as the user's own; below a mount it is that mount's business. */
export function makeWorkingFolder(
  view: FileTree,
  cwd: string,
  { user, mounts }: { readonly user: UnixUser; readonly mounts: readonly BytePath[] },
): string {
  const path = resolvePath(view, toBytePath(cwd), 'follow');
  if (path === undefined) {
    throw new SlipwayError('SLIPWAY_WORKDIR_INVALID', `the working directory ${cwd} is a loop of symlinks`);
  }
  refuseProcessFolder(path, cwd);
  const names = path.split('/').filter((name) => name !== '');
  for (const depth of names.keys()) {
    const folder = `/${names.slice(0, depth + 1).join('/')}` as BytePath;
    if (mounts.some((mount) => folder === mount || folder.startsWith(`${mount}/`))) break;
    if (view.lstat(folder) !== undefined) continue;
    makeOwnFolder(view.contentPath(folder), user);
  }
  return Buffer.from(path, 'latin1').toString();
}

function makeOwnFolder(path: BytePath, user: UnixUser): void {
  mkdirSync(hostPath(path));
  chmodSync(hostPath(path), 0o755);
  chownSync(hostPath(path), user.uid, user.gid);
}

/** Descriptors of the runtime lead out of the container (CVE-2024-21626); nothing good starts in a process's folder. */
function refuseProcessFolder(path: BytePath, cwd: string): void {
  if (!/^\/proc\/(self|thread-self|\d+)(\/|$)/.test(path)) return;
  throw new SlipwayError('SLIPWAY_WORKDIR_INVALID', `the working directory ${cwd} lies in a process's folder of /proc`);
}
