import { spawnSync } from 'node:child_process';
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { findProgram } from '../../src/executor/oci-runtime.ts';
import { isRoot } from './users.ts';

/** A Linux as a program, of which the files of this machine are the root, read-only; `/mnt` is memory. Its cgroups are of version 2 alone. */
const KERNEL = 'linux.uml';
const MARK = '=== ';

const INIT = `#!/bin/sh
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/mnt
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t tmpfs tmpfs /run
mount -t tmpfs tmpfs /mnt
mkdir -p /dev/pts /dev/shm
mount -t devpts devpts /dev/pts
mount -t tmpfs shm /dev/shm
mount -t cgroup2 cgroup2 /sys/fs/cgroup
busybox insmod $(find /usr/lib/uml/modules -name overlay.ko)
cd /mnt
. "$(dirname "$0")/commands"
echo "${MARK}end"
echo o >/proc/sysrq-trigger
sleep 60`;

/** Why such a machine cannot be had. */
export function missingForUnifiedCgroups(): string | undefined {
  if (!isRoot()) return 'only root can do this';
  return findProgram(KERNEL, process.env) === undefined ? `${KERNEL} is not installed (user-mode-linux)` : undefined;
}

/** Starts the machine, runs the shell commands in it, as root and one after the other, and gives what each printed. */
export function inUnifiedCgroups(commands: Readonly<Record<string, string>>): ReadonlyMap<string, string> {
  const folder = mkdtempSync(`${tmpdir()}/slipway-machine-`);
  try {
    writeFileSync(`${folder}/init`, INIT);
    chmodSync(`${folder}/init`, 0o755);
    const script = Object.entries(commands).map(([name, command]) => `echo "${MARK}${name}"\n${command}\n`);
    writeFileSync(`${folder}/commands`, script.join(''));
    const root = ['rootfstype=hostfs', 'rootflags=/', 'ro', `init=${folder}/init`];
    const console = ['con=null', 'con0=fd:0,fd:1', 'con1=null', 'ssl=null', 'quiet'];
    const { stdout } = spawnSync(KERNEL, ['mem=1500M', ...root, ...console], {
      encoding: 'utf8',
      env: { PATH: process.env.PATH, HOME: folder },
    });
    const parts = stdout
      .replaceAll('\r', '')
      .split(new RegExp(`^${MARK}`, 'm'))
      .slice(1);
    if (parts.at(-1)?.startsWith('end\n') !== true) throw new Error(`the machine did not come to its end:\n${stdout}`);
    return new Map(parts.map((part) => [part.slice(0, part.indexOf('\n')), part.slice(part.indexOf('\n') + 1)]));
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
