import { suggest } from '../../src/core/suggest.ts';

/** The variable that was probably meant. Names of variables keep their case, so only a candidate as it is written counts. */
export function suggestVariable(name: string, candidates: Iterable<string>): string | undefined {
  const known = new Set(candidates);
  const meant = suggest(name, known);
  return meant !== undefined && known.has(meant) ? meant : undefined;
}
