import ignore from 'ignore';
import { expect, it } from 'vitest';
import type { BytePath } from '../../src/core/byte-path.ts';
import { compileIgnorePatterns } from '../../src/core/ignore-patterns.ts';

/** Where .dockerignore and .gitignore mean the same: rooted patterns, none of them negated, `**` only before a slash. */
const COMPONENTS = ['a', 'b', 'ab', '*', 'a*', '*b', '?', 'a?'];
const NAMES = ['a', 'b', 'ab', 'ba', 'abc'];

function randomNumbers(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0;
    return (state >>> 8) % below;
  };
}

it('agrees with the package ignore on patterns that mean the same in .gitignore', () => {
  const below = randomNumbers(7);
  const pick = (words: readonly string[]) => words[below(words.length)] ?? '';
  const several = (words: readonly string[]) => Array.from({ length: 1 + below(3) }, () => pick(words)).join('/');
  let excluded = 0;
  for (let round = 0; round < 3000; round++) {
    const patterns = Array.from({ length: 1 + below(3) }, () => (below(4) === 0 ? '**/' : '') + several(COMPONENTS));
    const docker = compileIgnorePatterns(
      patterns.map((pattern, index) => ({ pattern, line: index + 1 })),
      '.dockerignore',
    );
    const git = ignore().add(patterns.map((pattern) => `/${pattern}`));
    const path = several(NAMES);
    const { isExcluded } = docker.match(path as BytePath);
    expect(isExcluded, `${path} by ${patterns.join(' and ')}`).toBe(git.ignores(path));
    if (isExcluded) excluded++;
  }
  expect(excluded).toBeGreaterThan(300);
});
