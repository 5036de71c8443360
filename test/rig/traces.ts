import { readdirSync, readFileSync } from 'node:fs';
import { basename } from 'node:path';
import type { SlipwayRig } from './slipway.ts';

/**
 * What a rig's builds left on the machine outside its folder: its mounts, and its processes by their command lines. A process is the
 * rig's if the name of its folder is in its command line or environment (`SLIPWAY_ROOT`; steps get it by an ENV).
 */
export function tracesOf(rig: SlipwayRig): readonly string[] {
  const name = basename(rig.folder);
  const mounts = readFileSync('/proc/mounts', 'utf8')
    .split('\n')
    .filter((line) => line.includes(name));
  return [...mounts, ...processesOf(name)];
}

function processesOf(name: string): string[] {
  return readdirSync('/proc')
    .filter((pid) => /^\d+$/.test(pid))
    .flatMap((pid) => {
      const command = readIfThere(`/proc/${pid}/cmdline`);
      const isOfRig = command.includes(name) || readIfThere(`/proc/${pid}/environ`).includes(name);
      return isOfRig ? [`${pid} ${command.replaceAll('\0', ' ')}`] : [];
    });
}

/** Nothing for a process that has ended meanwhile. */
function readIfThere(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}
