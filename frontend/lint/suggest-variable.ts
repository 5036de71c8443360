import { editDistance } from '../../src/core/suggest.ts';

const FARTHEST = 2;
const LONGEST = 64;

/**
 * The variable that was probably meant, as BuildKit's checks suggest it, whose messages are given word for word: the nearest within two
 * edits, the first of equally near ones, by case. Undefined where one is called just so.
 */
export function suggestVariable(name: string, candidates: Iterable<string>): string | undefined {
  if (name.length > LONGEST) return undefined;
  let nearest: string | undefined;
  let distance = FARTHEST + 1;
  for (const candidate of candidates) {
    if (candidate === name) return undefined;
    const found = editDistance(name, candidate, { swap: 2 });
    if (found < distance) [nearest, distance] = [candidate, found];
  }
  return nearest;
}
