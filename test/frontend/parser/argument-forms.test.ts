import { expect, test } from 'vitest';
import { parseJsonForm, parseListForm, parseWordsForm } from '../../../frontend/parser/argument-forms.ts';

test.each([
  ['[]', []],
  ['[""]', ['']],
  ['["a"]', ['a']],
  ['["a","b"]', ['a', 'b']],
  ['[ "a", "b" ]', ['a', 'b']],
  ['[\t"a",\t"b"\t]', ['a', 'b']],
  ['\t[\t"a",\t"b"\t]\t', ['a', 'b']],
  [
    '["abc 123", "♥", "☃", "\\" \\\\ \\/ \\b \\f \\n \\r \\t \\u0000"]',
    ['abc 123', '♥', '☃', '" \\ / \b \f \n \r \t \0'],
  ],
  ['["\\ud800"]', ['\ufffd']],
])('%s is the JSON form of %j', (text, values) => {
  expect(parseJsonForm(text)).toEqual(values);
});

test.each(['42', '123.456', '{}', '{"c": "d"}', '["c"]', 'true', 'false', 'null'])(
  'a JSON form with %s among its strings is refused',
  (value) => {
    expect(() => parseJsonForm(`["a",${value},"b"]`)).toThrow('arrays must be comprised of strings only');
  },
);

test.each(["['a']", '["a"', '["a"] b', '["a",]', '[ -f x ]', '{"a": "b"}', '"a"', ''])('%j is no JSON form', (text) => {
  expect(parseJsonForm(text)).toBeUndefined();
});

test.each([
  ['foo', ['foo']],
  ['foo bar', ['foo', 'bar']],
  ['foo\\ bar', ['foo\\ bar']],
  ['foo=bar', ['foo=bar']],
  ["foo bar 'abc xyz'", ['foo', 'bar', "'abc xyz'"]],
  ['foo bar "abc xyz"', ['foo', 'bar', '"abc xyz"']],
  ['àöû', ['àöû']],
  ['föo bàr "âbc xÿz"', ['föo', 'bàr', '"âbc xÿz"']],
  ['a="\\" b" c', ['a="\\" b"', 'c']],
  ["a='\\' b", ["a='\\'", 'b']],
  ['a\\', ['a']],
  ['"a b', ['"a b']],
])('the words of %j are %j', (text, words) => {
  expect(parseWordsForm(text, '\\')).toEqual(words);
});

test('a list is cut at blanks, quotes or not', () => {
  expect(parseListForm('a  "b\t c"')).toEqual(['a', '"b', 'c"']);
  expect(parseListForm('')).toEqual([]);
});
