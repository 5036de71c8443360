import { readFileSync } from 'node:fs';
import { inUserNamespace } from '../core/user-namespace.ts';

const LOCKED = new Set(['ro', 'nosuid', 'nodev', 'noexec', 'noatime', 'nodiratime']);

/**
 * The options that a bind mount of `mountPoint` has to repeat: in a user namespace the kernel refuses to take away those
 * that the mount came with from outside. Empty elsewhere.
 */
export function lockedMountOptions(mountPoint: string): string[] {
  if (!inUserNamespace()) return [];
  const lines = readFileSync('/proc/self/mountinfo', 'utf8').trimEnd().split('\n');
  const options = lines
    .map((line) => line.split(' '))
    .findLast(([, , , , target]) => unescaped(target ?? '') === mountPoint)?.[5];
  return (options ?? '').split(',').filter((option) => LOCKED.has(option));
}

/** Space, tab, newline and backslash are octal in mountinfo (proc(5)). */
function unescaped(path: string): string {
  return path.replace(/\\([0-7]{3})/g, (_, digits: string) => String.fromCharCode(Number.parseInt(digits, 8)));
}
