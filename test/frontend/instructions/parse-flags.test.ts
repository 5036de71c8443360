import { expect, test } from 'vitest';
import { parseFlags } from '../../../frontend/instructions/parse-flags.ts';

const KINDS = { text: 'text', other: 'text', yes: 'boolean', many: 'many' } as const;

function read(...flags: readonly string[]) {
  return parseFlags({ keyword: 'copy', flags }, KINDS);
}

test('flags that are not given are undefined, or an empty list', () => {
  expect(read()).toEqual({ many: [] });
});

test('flags are read as their kind', () => {
  expect(read('--text=a=b', '--other= ', '--yes', '--many=1', '--many=2')).toEqual({
    text: 'a=b',
    other: ' ',
    yes: true,
    many: ['1', '2'],
  });
  expect(read('--text=')).toEqual({ text: '', many: [] });
});

test.each([
  ['--yes=true', true],
  ['--yes=TRUE', true],
  ['--yes=False', false],
])('%s is %j', (flag, value) => {
  expect(read(flag).yes).toBe(value);
});

test.each([
  [['--text'], 'missing a value on flag: --text'],
  [['--many'], 'missing a value on flag: --many'],
  [['--yes='], 'missing a value on flag: --yes'],
  [['--yes=false1'], 'expecting boolean value for flag --yes, not: false1'],
  [['--yes', '--yes'], 'duplicate flag specified: --yes'],
  [['--text=a', '--text=b'], 'duplicate flag specified: --text'],
  [['--bool2'], 'unknown flag: --bool2'],
  [['--constructor'], 'unknown flag: --constructor'],
])('%j is refused', (flags, message) => {
  expect(() => read(...flags)).toThrow(message);
});

test('an unknown flag is answered with the one that is meant, or with all that there are', () => {
  expect(() => read('--txet=a')).toThrow(expect.objectContaining({ hint: 'did you mean --text?' }));
  expect(() => read('--nothing')).toThrow(
    expect.objectContaining({ hint: 'COPY takes --text, --other, --yes, --many' }),
  );
});
