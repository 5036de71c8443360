import { describe, expect, test } from 'vitest';
import { parseChallenges } from '../../src/registry/challenge.ts';

type Parsed = readonly (readonly [scheme: string, parameters: Readonly<Record<string, string>>])[];

const CASES: readonly (readonly [what: string, headers: readonly string[], expected: Parsed])[] = [
  ['nothing', [], []],
  ['an empty header', [''], []],
  ['a scheme alone', ['Negotiate'], [['negotiate', {}]]],
  [
    'a bearer challenge',
    ['Bearer realm="https://auth.example.com/token",service="reg.example.com",scope="repository:a/b:pull,push"'],
    [
      [
        'bearer',
        { realm: 'https://auth.example.com/token', service: 'reg.example.com', scope: 'repository:a/b:pull,push' },
      ],
    ],
  ],
  ['names in any case and spaces', ['BEARER  Realm = "x" , SERVICE=y'], [['bearer', { realm: 'x', service: 'y' }]]],
  ['escapes in quotes', ['Basic realm="a \\"b\\" \\\\c"'], [['basic', { realm: 'a "b" \\c' }]]],
  ['commas and equal signs in quotes', ['Bearer realm="x,y=z, Basic q"'], [['bearer', { realm: 'x,y=z, Basic q' }]]],
  [
    'several challenges in one header',
    ['Basic realm="b", Bearer realm="r", error="invalid_token", Digest nonce=1'],
    [
      ['basic', { realm: 'b' }],
      ['bearer', { realm: 'r', error: 'invalid_token' }],
      ['digest', { nonce: '1' }],
    ],
  ],
  [
    'several headers',
    ['Basic realm=b', 'Bearer realm=r'],
    [
      ['basic', { realm: 'b' }],
      ['bearer', { realm: 'r' }],
    ],
  ],
  [
    'a token68 beside others',
    ['Negotiate YWJj/+==, Bearer realm="r"'],
    [
      ['negotiate', {}],
      ['bearer', { realm: 'r' }],
    ],
  ],
  ['empty list members', [', ,Bearer realm=r,,'], [['bearer', { realm: 'r' }]]],
  ['the first of equal names', ['Bearer realm="good", realm="evil"'], [['bearer', { realm: 'good' }]]],
  [
    'what stands before an unterminated quote',
    ['Bearer service="a", realm="https://x'],
    [['bearer', { service: 'a' }]],
  ],
  [
    'what stands before a character that may not be there',
    ['Bearer realm=r; Basic realm=x'],
    [['bearer', { realm: 'r' }]],
  ],
  ['no parameters without a scheme', ['="x"'], []],
];

describe('parseChallenges reads', () => {
  test.each(CASES)('%s', (_what, headers, expected) => {
    const parsed = parseChallenges(headers);
    expect(parsed.map(({ scheme, parameters }) => [scheme, Object.fromEntries(parameters)])).toEqual(expected);
  });
});

test('parseChallenges ends on any text', () => {
  const alphabet = 'aB="\\, \t;/\u00e4';
  for (let seed = 1; seed < 5000; seed++) {
    let text = '';
    for (let state = seed; state > 0; state = Math.floor(state / alphabet.length))
      text += alphabet[state % alphabet.length];
    expect(Array.isArray(parseChallenges([`Bearer ${text}`]))).toBe(true);
  }
});
