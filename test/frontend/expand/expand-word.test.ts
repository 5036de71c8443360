import { expect, test } from 'vitest';
import { type ExpandOptions, expandWord, expandWords } from '../../../frontend/expand/expand-word.ts';
import { ENV_VAR_CASES, ENV_VAR_VARIABLES, MATCH_CASES, WORDS_CASES } from './buildkit-cases.ts';

const ESCAPE = { escape: '\\' } as const;

function lookupIn(variables: Readonly<Record<string, string>>) {
  return (name: string) => (Object.hasOwn(variables, name) ? variables[name] : undefined);
}

function expand(
  word: string,
  variables: Readonly<Record<string, string>>,
  options: Partial<ExpandOptions> = {},
): string {
  return expandWord(word, lookupIn(variables), { ...ESCAPE, ...options }).text;
}

test.each(ENV_VAR_CASES)('%j expands to %j', (word, expanded) => {
  if (expanded === undefined) expect(() => expand(word, ENV_VAR_VARIABLES)).toThrow('failed to process');
  else expect(expand(word, ENV_VAR_VARIABLES).trim()).toBe(expanded);
});

test.each(WORDS_CASES)('with %j, the words of %j are %j', (variables, text, words) => {
  const read = () => expandWords(text, lookupIn(variables), ESCAPE);
  if (words === undefined) expect(read).toThrow('failed to process');
  else expect(read()).toEqual(words.filter((word) => word !== ''));
});

test.each(MATCH_CASES)('$word with $variables gives $expanded', ({ word, variables, expanded, matched, unmatched }) => {
  const read = () => expandWord(word, lookupIn(variables), ESCAPE);
  if (expanded === undefined) expect(read).toThrow();
  else expect(read()).toEqual({ text: expanded, matched: new Set(matched), unmatched: new Set(unmatched) });
});

const RELEASE = 'something-${VERSION}.${TARGETOS}-${TARGETARCH}${TARGETVARIANT:+-${TARGETVARIANT}}.tar.gz';

test.each([
  [{ TARGETARCH: 'arm', TARGETVARIANT: 'v7' }, 'something-v1.2.3.linux-arm-v7.tar.gz'],
  [{ TARGETARCH: 'arm64', TARGETVARIANT: '' }, 'something-v1.2.3.linux-arm64.tar.gz'],
  [{ TARGETARCH: 'arm64' }, 'something-v1.2.3.linux-arm64.tar.gz'],
])('a file name of a release is composed with %j', (variables, expected) => {
  expect(expand(RELEASE, { VERSION: 'v1.2.3', TARGETOS: 'linux', ...variables })).toBe(expected);
});

test.each([
  ['${VAR:?message here$ARG}', { VAR: 'plain' }, 'plain'],
  ['${VAR:?message here$ARG}', { VAR: '' }, undefined],
  ['${VAR:?message here$ARG}', {}, undefined],
  ['${VAR?message here$ARG}', { VAR: 'plain' }, 'plain'],
  ['${VAR?message here$ARG}', { VAR: '' }, ''],
  ['${VAR?message here$ARG}', {}, undefined],
])('%s with %j gives %j, or fails with its message', (word, variables, expected) => {
  const read = () => expand(word, { ARG: 'x', ...variables });
  if (expected === undefined) expect(read).toThrow('VAR: message herex');
  else expect(read()).toBe(expected);
});

test('a required variable without a message says what is not allowed', () => {
  expect(() => expand('${V?}', {})).toThrow('V: is not allowed to be unset');
  expect(() => expand('${V:?}', { V: '' })).toThrow('V: is not allowed to be empty');
});

test('quotes and unset variables can be left as they are', () => {
  const options = { quotes: 'keep', unset: 'keep' } as const;
  expect(expand('"$A" \'$B\' $B ${B} ${B:-x} ${B/x/y}', { A: '1' }, options)).toBe(
    '"1" \'$B\' $B ${B} ${B:-x} ${B/x/y}',
  );
});

test('in a heredoc body quotes are characters like others', () => {
  expect(expand('it\'s "$A" \\$A', { A: '1' }, { quotes: 'literal' })).toBe('it\'s "1" $A');
});

test('the escape character can be a backtick', () => {
  expect(expand('C:\\a`$A $A "`""', { A: '1' }, { escape: '`' })).toBe('C:\\a$A 1 "');
});

test('escapes can be kept', () => {
  expect(expand('a\\ b\\$c', {}, { escapes: 'keep' })).toBe('a\\ b\\$c');
});

test('the beginning of a word is lost before a modifier when words are cut, as in BuildKit', () => {
  expect(expandWords('80${X:-80} 443', lookupIn({}), ESCAPE)).toEqual(['80', '443']);
  expect(expandWords('80${X+1} 44$Y', lookupIn({ Y: '3' }), ESCAPE)).toEqual(['443']);
  expect(expandWords('1 2 8"${X-9}"', lookupIn({}), ESCAPE)).toEqual(['1', '2', '9']);
});

test('the last character of a replacement may be a reference to the match only in the form that Go gives it', () => {
  expect(expand('${A//b/[$0]}', { A: 'abc', '0': '$0' })).toBe('a[b]c');
  expect(expand('${A//b/$P}', { A: 'abc', P: '$$5$x' })).toBe('a$5c');
  expect(expand('${A/b/$P}', { A: 'abc', P: '$$5$x' })).toBe('a$$5$xc');
});

test.each([
  ['${A#*a}', 'banana', 'nana'],
  ['${A##*a}', 'banana', ''],
  ['${A%a*}', 'banana', 'banan'],
  ['${A%%a*}', 'banana', 'b'],
  ['${A#*n}', 'x\nyn', 'x\nyn'],
  ['${A//?/-}', 'a\nb', '-\n-'],
  ['${A//*/-}', 'abc', '-'],
  ['${A//$E/-}', 'abc', '-a-b-c-'],
  ['${A%%🚀*}', '👽🚀🖖', '👽'],
])('%s of %j is %j', (word, value, expected) => {
  expect(expand(word, { A: value, E: '' })).toBe(expected);
});

test.each(['${A#\\x}', '${A#\\\\\\}', '${A%\\y}'])('%s has a pattern with an escape that means nothing', (word) => {
  expect(() => expand(word, { A: 'a' })).toThrow(/invalid pattern|missing '}'/);
});

test('a pattern with many stars is matched without trying every way', () => {
  const stars = '*a'.repeat(60);
  expect(expand(`\${A#${stars}b}`, { A: 'a'.repeat(5000) })).toBe('a'.repeat(5000));
  expect(expand(`\${A//${stars}b/x}`, { A: 'a'.repeat(5000) })).toBe('a'.repeat(5000));
});

test('nesting and growth are bounded', () => {
  expect(() => expand('${A:-'.repeat(20_000), {})).toThrow('nested deeper');
  expect(() => expand('$A'.repeat(20), { A: 'x'.repeat(1_000_000) })).toThrow('expands to more than');
});
