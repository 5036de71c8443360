import { describe } from 'vitest';
import { describeForEachUser } from '../../rig/each-user.ts';
import type { Who } from '../../rig/slipway.ts';

/** Value of `--isolation`: crun or runc, whichever `auto` would take, and slipway's own. */
export type Isolation = 'oci' | 'native';

/** A suite for each user and each kind of isolation, where containers can be run. */
export function describeForEachIsolation(title: string, suite: (who: Who, isolation: Isolation) => void): void {
  describeForEachUser(title, (who) => {
    for (const isolation of ['oci', 'native'] as const) describe(isolation, () => suite(who, isolation));
  });
}
