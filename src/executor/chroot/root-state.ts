import { createHash } from 'node:crypto';
import { closeSync, lstatSync, openSync, readSync } from 'node:fs';
import { type BytePath, hostPath } from '../../core/byte-path.ts';
import type { HostStat } from '../../core/host-stat.ts';
import { hostStatReader } from '../../core/host-stat-reader.ts';
import { childOf, namesIn } from './layer-stack.ts';

/** What a root had in it at one time. */
export interface RootState {
  /** Every file but the root itself, parents before children. */
  readonly files: Map<BytePath, HostStat>;
  /** When folders were made, in milliseconds since 1970: a new one may get the inode of one that is gone. */
  readonly births: ReadonlyMap<BytePath, number>;
  /** Digests of the contents of files with several names, by `HostStat.sharedInode`. */
  readonly shared: ReadonlyMap<string, string>;
}

/** How two states of a root differ, in terms of what a layer records. */
export interface RootChanges {
  /** New files, and those of which anything changed. */
  readonly changed: ReadonlySet<BytePath>;
  /** Folders that took the place of something else, and do not have what that had. */
  readonly replaced: ReadonlySet<BytePath>;
  /** What is gone, of folders only the topmost. */
  readonly removed: readonly BytePath[];
}

const CHUNK = 1 << 20;

/** Looks at every file of `root` but those at and below `skipped`. Nobody may be writing to it. */
export function scanRoot(root: BytePath, skipped: ReadonlySet<BytePath>): RootState {
  const read = hostStatReader();
  const files = new Map<BytePath, HostStat>();
  const births = new Map<BytePath, number>();
  const shared = new Map<string, string>();
  const visit = (folder: BytePath): void => {
    for (const name of namesIn(`${root}${folder}` as BytePath)) {
      const path = childOf(folder, name);
      if (skipped.has(path)) continue;
      const host = `${root}${path}` as BytePath;
      const stat = read(host);
      if (stat === undefined) throw new Error(`internal: ${host} vanished`);
      files.set(path, stat);
      if (stat.type === 'dir') {
        births.set(path, lstatSync(hostPath(host)).birthtimeMs);
        visit(path);
      }
      if (stat.type === 'file' && stat.sharedInode !== undefined && !shared.has(stat.sharedInode))
        shared.set(stat.sharedInode, contentDigest(host));
    }
  };
  visit('/' as BytePath);
  return { files, births, shared };
}

/** What changed from `before` to `after` in `root`, which is as `after` says. */
export function compareStates(root: BytePath, before: RootState, after: RootState): RootChanges {
  const changed = new Set<BytePath>();
  const replaced = new Set<BytePath>();
  /** Below a folder that hides everything there was, everything is the layer's own. */
  const hiding = new Set<BytePath>();
  const relinked: BytePath[] = [];
  const newNames = new Set<string>();
  for (const [path, stat] of after.files) {
    const old = before.files.get(path);
    if (old === undefined && stat.sharedInode !== undefined) newNames.add(stat.sharedInode);
    const isOther = old?.ino !== stat.ino || before.births.get(path) !== after.births.get(path);
    if (stat.type === 'dir' && old !== undefined && isOther) {
      replaced.add(path);
      hiding.add(path);
    }
    if (hiding.has(parentOf(path))) {
      changed.add(path);
      if (stat.type === 'dir') hiding.add(path);
    } else if (old !== undefined && isRelinked(old, stat)) {
      relinked.push(path);
    } else if (old === undefined || !isSame(old, stat)) {
      changed.add(path);
    }
  }
  for (const path of relinked) {
    const [old, stat] = [before.files.get(path), after.files.get(path)];
    const hasNewName = stat?.sharedInode !== undefined && newNames.has(stat.sharedInode);
    const was = before.shared.get(old?.sharedInode ?? '');
    if (hasNewName || was !== contentDigest(`${root}${path}` as BytePath)) changed.add(path);
  }
  const isLost = (path: BytePath) => {
    if (after.files.has(path)) return false;
    const parent = parentOf(path);
    return !hiding.has(parent) && (parent === '/' || after.files.get(parent)?.type === 'dir');
  };
  return { changed, replaced, removed: [...before.files.keys()].filter(isLost) };
}

/** The folder that the path is in. */
export function parentOf(path: BytePath): BytePath {
  return (path.slice(0, path.lastIndexOf('/')) || '/') as BytePath;
}

function isSame(old: HostStat, now: HostStat): boolean {
  return old.ctimeMs === now.ctimeMs && old.ino === now.ino && hasSameAttributes(old, now);
}

/** Nothing but the ctime of a file with several names changed: another name of it may have come or gone, or its content be another. */
function isRelinked(old: HostStat, now: HostStat): boolean {
  const isShared = old.type === 'file' && old.sharedInode !== undefined;
  return isShared && old.ino === now.ino && old.ctimeMs !== now.ctimeMs && hasSameAttributes(old, now);
}

function hasSameAttributes(old: HostStat, now: HostStat): boolean {
  return (
    old.type === now.type &&
    old.mode === now.mode &&
    old.uid === now.uid &&
    old.gid === now.gid &&
    (old.size === now.size || old.type === 'dir') &&
    old.mtimeMs === now.mtimeMs &&
    old.device.major === now.device.major &&
    old.device.minor === now.device.minor
  );
}

function contentDigest(host: BytePath): string {
  const hash = createHash('sha256');
  const chunk = Buffer.allocUnsafe(CHUNK);
  const fd = openSync(hostPath(host), 'r');
  try {
    for (let length = readSync(fd, chunk); length > 0; length = readSync(fd, chunk))
      hash.update(chunk.subarray(0, length));
  } finally {
    closeSync(fd);
  }
  return hash.digest('hex');
}
