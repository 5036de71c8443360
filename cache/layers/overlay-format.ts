import { mkdirSync } from 'node:fs';
import type { BytePath } from '../../src/core/byte-path.ts';
import { errnoOf } from '../../src/core/errors.ts';
import type { HostStat } from '../../src/core/host-stat.ts';
import { syscalls } from '../../src/core/syscalls.ts';
import type { Store } from '../store.ts';

/**
 * How overlayfs marks folders in this store: `trusted.overlay.` attributes as real root, `user.overlay.` (and mounts with the option
 * `userxattr`) in a user namespace, where trusted attributes are refused (kernel documentation, filesystems/overlayfs.rst).
 */
export type OverlayXattrPrefix = 'trusted.overlay.' | 'user.overlay.';

const SETTING = 'overlay_xattr_prefix';

/** The prefix of this store: tried out once, then kept in its database. */
export function overlayXattrPrefixOf(store: Store): OverlayXattrPrefix {
  const row = store.database.statement('SELECT value FROM settings WHERE name = ?').get(SETTING);
  if (row?.value === 'trusted.overlay.' || row?.value === 'user.overlay.') return row.value;
  const prefix = probe(store.temporaryPath());
  store.database.statement('INSERT OR REPLACE INTO settings (name, value) VALUES (?, ?)').run(SETTING, prefix);
  return prefix;
}

function probe(folder: string): OverlayXattrPrefix {
  mkdirSync(folder, { mode: 0o700 });
  try {
    syscalls().setXattr(folder as BytePath, 'trusted.overlay.opaque', Buffer.from('y'));
    return 'trusted.overlay.';
  } catch (error) {
    if (errnoOf(error) !== 'EPERM') throw error;
    return 'user.overlay.';
  }
}

/** Whether overlayfs takes the file as "removed": a character device 0:0. */
export function isWhiteout({ type, device }: HostStat): boolean {
  return type === 'char' && device.major === 0 && device.minor === 0;
}

/**
 * Whether a layer records the attribute: file capabilities and what users set. Not overlayfs's own, which an image must never be
 * able to forge, nor what belongs to the host (labels, access control lists) or can only be read by real root (trusted), so that
 * a layer is the same whoever makes it.
 */
export function isLayerXattr(name: string): boolean {
  if (name === 'security.capability') return true;
  const isReserved = name.startsWith('user.overlay.') || name.startsWith('user.slipway.');
  // What a PAX record cannot name, and what a system call would cut off.
  return name.startsWith('user.') && !isReserved && !/[=\0]/.test(name);
}

/** Whether unpacking sets the attribute: what a layer records, and access control lists, which a folder may have. */
export function isUnpackedXattr(name: string): boolean {
  return isLayerXattr(name) || name === 'system.posix_acl_access' || name === 'system.posix_acl_default';
}
