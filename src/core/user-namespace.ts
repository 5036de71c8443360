import { readFileSync } from 'node:fs';

/**
 * Whether this process is in a user namespace other than the machine's first: being uid 0 there gives no `trusted.*` attributes,
 * so overlayfs needs `userxattr`, and no device nodes.
 */
export function inUserNamespace(): boolean {
  return !/^\s*0\s+0\s+4294967295\s*$/.test(readFileSync('/proc/self/uid_map', 'utf8'));
}
