import { spawnSync } from 'node:child_process';
import type { Rung } from '../executor/rig/rungs.ts';

/**
 * Whether the rung's steps are run by a runc that is older than the first without the hole, `1.2.8` for instance, and so has it itself; then
 * that is printed.
 */
export function hasHole({ name, runtime }: Rung, threat: string, firstWithout: string): boolean {
  if (runtime !== 'runc') return false;
  const { stdout } = spawnSync('runc', ['--version'], { encoding: 'utf8' });
  const version = /\d+\.\d+\.\d+/.exec(stdout)?.[0] ?? '0.0.0';
  const isOlder = numberOf(version) < numberOf(firstWithout);
  if (isOlder) console.warn(`NOT TESTED: ${name}: runc ${version} has ${threat} itself, until ${firstWithout}`);
  return isOlder;
}

function numberOf(version: string): number {
  return version.split('.').reduce((number, part) => number * 1000 + Number(part), 0);
}
