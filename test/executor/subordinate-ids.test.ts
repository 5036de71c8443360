import { expect, test } from 'vitest';
import { mapArguments, parseRanges, subordinateIds } from '../../src/executor/subordinate-ids.ts';

const user = { name: 'anna', uid: 1000 };

test('ranges are those of the name and of the number', () => {
  const text = 'bert:100000:65536\nanna:165536:1000\n1000:300000:5\n\n# anna:1:2\nanna:x:y\nannabel:1:1\n';
  expect(parseRanges(text, user)).toEqual([
    { first: 165536, count: 1000 },
    { first: 300000, count: 5 },
  ]);
});

test("the user's own id becomes 0 and the ranges follow without a gap", () => {
  const ranges = [
    { first: 165536, count: 1000 },
    { first: 300000, count: 5 },
  ];
  expect(mapArguments(1000, ranges).join(' ')).toBe('0 1000 1 1 165536 1000 1001 300000 5');
});

test('a user without subordinate ids is told the command that gives some', () => {
  const nobody = { name: 'slipway-nobody-has-this-name', uid: 4294967290 };
  expect(() => subordinateIds('subuid', nobody)).toThrow(
    expect.objectContaining({
      code: 'SLIPWAY_SUBIDS_MISSING',
      hint: expect.stringContaining(`usermod --add-subuids 100000-165535 ${nobody.name}`),
    }),
  );
});
