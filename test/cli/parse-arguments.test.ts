import { describe, expect, it } from 'vitest';
import { parseArguments, spellOut } from '../../src/cli/parse-arguments.ts';

function optionsOf(args: readonly string[]) {
  const parsed = parseArguments([...args, '.']);
  if (parsed.kind !== 'build') throw new Error('expected a build');
  return Object.fromEntries(parsed.arguments.options);
}

describe("docker's ways to write options", () => {
  it.each<[string[], string[]]>([
    [
      ['--pull', '.'],
      ['--pull=true', '.'],
    ],
    [
      ['--pull=false', '.'],
      ['--pull=false', '.'],
    ],
    [
      ['-q', '.'],
      ['--quiet=true', '.'],
    ],
    [
      ['-qt', 'a', '.'],
      ['--quiet=true', '-t', 'a', '.'],
    ],
    [
      ['-t=a', '-fx', '.'],
      ['-t', 'a', '-f', 'x', '.'],
    ],
    [
      ['--build-arg', '--pull', '.'],
      ['--build-arg', '--pull', '.'],
    ],
    [
      ['--tag', '-q', '.'],
      ['--tag', '-q', '.'],
    ],
    [
      ['--', '--pull'],
      ['--', '--pull'],
    ],
    [['-'], ['-']],
  ])('%j is %j', (args, spelled) => {
    expect(spellOut(args)).toEqual(spelled);
  });
});

describe('the arguments of slipway build', () => {
  it('gather every value of an option in order', () => {
    expect(optionsOf(['-t', 'a', '--tag=b', '--no-cache', '-f', 'x', '--file', 'y', '--no-cache-filter', 's'])).toEqual(
      {
        tag: ['a', 'b'],
        'no-cache': ['true'],
        file: ['x', 'y'],
        'no-cache-filter': ['s'],
      },
    );
  });

  it('may have the context before the options, and - as context', () => {
    const parsed = parseArguments(['-', '-t', 'a']);
    expect(parsed).toMatchObject({ kind: 'build', arguments: { context: '-' } });
  });

  it.each<[string[], string, string, RegExp]>([
    [['--tg', 'a', '.'], 'SLIPWAY_OPTION_UNKNOWN', "unknown option '--tg'", /--tag/],
    [['-z', '.'], 'SLIPWAY_OPTION_UNKNOWN', "unknown option '-z'", /--help/],
    [['.', '--tag'], 'SLIPWAY_OPTION_INVALID', 'argument missing', /--help/],
    [[], 'SLIPWAY_OPTION_INVALID', 'exactly one CONTEXT, got none', /slipway build \./],
    [['a', 'b'], 'SLIPWAY_OPTION_INVALID', 'exactly one CONTEXT, got "a" "b"', /--help/],
  ])('refuse %j', (args, code, message, hint) => {
    expect(() => parseArguments(args)).toThrow(
      expect.objectContaining({
        code,
        message: expect.stringContaining(message),
        hint: expect.stringMatching(hint),
      }),
    );
  });

  it('print the help', () => {
    const parsed = parseArguments(['--help']);
    expect(parsed.kind === 'help' && parsed.text).toMatch(/--no-cache +run every step again/);
    expect(parsed.kind === 'help' && parsed.text).not.toMatch(/cpu-shares|cache-from/);
  });
});
