import { containers, describeWhere, ordinaryUser, type Requirement, root } from './requirements.ts';
import type { Who } from './slipway.ts';

/** A suite once as root and once as an ordinary user, where containers can be run. */
export function describeForEachUser(
  title: string,
  suite: (who: Who) => void,
  further: readonly Requirement[] = [],
): void {
  describeWhere(`${title}, as root`, [root, containers, ...further], () => suite('root'));
  describeWhere(`${title}, as an ordinary user`, [containers, ordinaryUser, ...further], () => suite('ordinary user'));
}
