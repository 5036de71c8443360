import { spawnSync } from 'node:child_process';
import {
  accessSync,
  chmodSync,
  constants,
  copyFileSync,
  existsSync,
  mkdirSync,
  readFileSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { dirname } from 'node:path';
import type { RootFile } from './steps.ts';

/** A static busybox of this machine, for roots. */
export const BUSYBOX = ['/bin/busybox', '/usr/bin/busybox', '/bin/busybox.static'].find(isStatic);

const FILES: readonly RootFile[] = [
  {
    path: '/etc/passwd',
    type: 'file',
    text: 'root:x:0:0:root:/root:/bin/sh\nwww-data:x:33:33::/var/www:/bin/false\n',
  },
  { path: '/etc/group', type: 'file', text: 'root:x:0:\nwww-data:x:33:\nstaff:x:50:www-data\n' },
  { path: '/root', type: 'dir', mode: 0o700 },
  { path: '/tmp', type: 'dir', mode: 0o1777 },
  { path: '/bin', type: 'dir' },
];

/** Fills the folder, which is made where it is missing, with the root that steps of tests run on: a busybox with all its names, and two users. */
export function makeBusyboxRoot(root: string, busybox: string): void {
  if (existsSync(root)) return;
  fillRoot(root, FILES);
  copyFileSync(busybox, `${root}/bin/busybox`);
  chmodSync(`${root}/bin/busybox`, 0o755);
  const applets = spawnSync(busybox, ['--list'], { encoding: 'utf8' }).stdout.trim().split('\n');
  for (const applet of applets) if (applet !== 'busybox') symlinkSync('busybox', `${root}/bin/${applet}`);
}

/** Makes the files below `root`, and the folders that they need. */
export function fillRoot(root: string, files: readonly RootFile[]): void {
  for (const file of files) {
    const path = `${root}${file.path}`;
    mkdirSync(dirname(path), { recursive: true });
    if (file.type === 'dir') mkdirSync(path, { recursive: true });
    else if (file.type === 'symlink') symlinkSync(file.text ?? '', path);
    else if (file.type === 'fifo') spawnSync('mkfifo', [path]);
    else writeFileSync(path, file.text ?? '');
    if (file.sizeBytes !== undefined) truncateSync(path, file.sizeBytes);
    if (file.mode !== undefined) chmodSync(path, file.mode);
  }
}

/** No PT_INTERP (3) among the program headers (ELF64). */
function isStatic(path: string): boolean {
  if (!existsSync(path)) return false;
  accessSync(path, constants.R_OK);
  const elf = readFileSync(path);
  const [offset, size, count] = [Number(elf.readBigUInt64LE(32)), elf.readUInt16LE(54), elf.readUInt16LE(56)];
  return !Array.from({ length: count }, (_, index) => elf.readUInt32LE(offset + index * size)).includes(3);
}
