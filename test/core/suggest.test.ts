import { expect, test } from 'vitest';
import { suggest } from '../../src/core/suggest.ts';

test.each([
  ['COPPY', ['ADD', 'COPY', 'CMD'], 'COPY'],
  ['chwon', ['chmod', 'chown', 'from'], 'chown'],
  ['relaese', ['build', 'release'], 'release'],
  ['README', ['readme'], 'readme'],
  ['xyz', ['build', 'release'], undefined],
  ['build', ['build', 'builds'], undefined],
  ['', ['a'], undefined],
  ['a', ['b'], undefined],
])('%j among %j was meant as %j', (word, candidates, meant) => {
  expect(suggest(word, candidates)).toBe(meant);
});

test('a word of any length is answered at once', () => {
  expect(suggest('x'.repeat(1_000_000), ['x'.repeat(1_000_001)])).toBeUndefined();
});
