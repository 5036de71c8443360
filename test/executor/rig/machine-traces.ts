import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';

/** Resolves when the condition holds. */
export async function until(condition: () => boolean): Promise<void> {
  for (let attempt = 0; attempt < 200; attempt++) {
    if (condition()) return;
    await delay(25);
  }
  throw new Error(`not within 5 s: ${condition}`);
}

/** Seconds to sleep that no other process sleeps. */
export function newMarker(): string {
  return `${100000 + Math.floor(Math.random() * 800000)}`;
}

/** Pids of processes that have `text` in their command line. */
export function processesWith(text: string): string[] {
  return readdirSync('/proc').filter((pid) => {
    if (!/^\d+$/.test(pid) || Number(pid) === process.pid) return false;
    const file = `/proc/${pid}/cmdline`;
    try {
      return existsSync(file) && readFileSync(file, 'latin1').includes(text);
    } catch {
      // Gone between the two looks.
      return false;
    }
  });
}

/** Mounts that this process sees below the folder. */
export function mountsBelow(folder: string): string[] {
  return readFileSync('/proc/self/mountinfo', 'utf8')
    .split('\n')
    .filter((line) => line.includes(folder));
}

/** The cgroups of the machine's first two levels. */
export function cgroups(): string[] {
  return readdirSync('/sys/fs/cgroup').flatMap((name) => {
    const folder = `/sys/fs/cgroup/${name}`;
    return existsSync(`${folder}/cgroup.procs`) ? readdirSync(folder).map((child) => `${folder}/${child}`) : [folder];
  });
}
