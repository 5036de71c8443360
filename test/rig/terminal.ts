import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { inject } from 'vitest';
import type { SlipwayRig } from './slipway.ts';
import { asUser } from './users.ts';

const SESSION = fileURLToPath(new URL('terminal-session.py', import.meta.url));

/** What is waited for, and what is typed then. */
export type Typed = readonly (readonly [expected: string, typed: string])[];

/** `slipway ARGS` of the rig's user in a terminal. The result is all that was shown, and a last line `status N raw|cooked`. */
export function typeInto(rig: SlipwayRig, args: readonly string[], typed: Typed): string {
  const { node, program } = inject('slipway');
  const command = rig.who === 'root' ? [node, program, ...args] : asUser([node, program, ...args]);
  const env = { PATH: process.env.PATH, HOME: join(rig.folder, 'home'), SLIPWAY_ROOT: rig.store, TERM: 'xterm' };
  const session = ['-u', SESSION, JSON.stringify(typed), ...command];
  return spawnSync('python3', session, { encoding: 'utf8', env, cwd: rig.folder, timeout: 80_000 }).stdout;
}
