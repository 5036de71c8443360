import { expect, test } from 'vitest';
import { toBytePath } from '../../src/core/byte-path.ts';
import { compileIgnorePatterns, parseIgnoreFile } from '../../src/core/ignore-patterns.ts';
import { cleanPath, compilePathPattern } from '../../src/core/path-pattern.ts';

function isExcluded(patterns: readonly string[], path: string): boolean {
  return compile(patterns).match(toBytePath(path)).isExcluded;
}

function compile(patterns: readonly string[]) {
  return compileIgnorePatterns(
    patterns.map((pattern, index) => ({ pattern, line: index + 1 })),
    '.dockerignore',
  );
}

/** The tables of moby/patternmatcher: pattern, path, whether the path or a folder above it matches. */
const MOBY: readonly (readonly [string, string, boolean])[] = [
  ['**', 'file', true],
  ['**', 'file/', true],
  ['**/', 'file', true],
  ['**/', 'file/', true],
  ['**', '/', true],
  ['**/', '/', true],
  ['**', 'dir/file', true],
  ['**/', 'dir/file', true],
  ['**', 'dir/file/', true],
  ['**/', 'dir/file/', true],
  ['**/**', 'dir/file', true],
  ['**/**', 'dir/file/', true],
  ['dir/**', 'dir/file', true],
  ['dir/**', 'dir/file/', true],
  ['dir/**', 'dir/dir2/file', true],
  ['dir/**', 'dir/dir2/file/', true],
  ['**/dir', 'dir', true],
  ['**/dir', 'dir/file', true],
  ['**/dir2/*', 'dir/dir2/file', true],
  ['**/dir2/*', 'dir/dir2/file/', true],
  ['**/dir2/**', 'dir/dir2/dir3/file', true],
  ['**/dir2/**', 'dir/dir2/dir3/file/', true],
  ['**file', 'file', true],
  ['**file', 'dir/file', true],
  ['**/file', 'dir/file', true],
  ['**file', 'dir/dir/file', true],
  ['**/file', 'dir/dir/file', true],
  ['**/file*', 'dir/dir/file', true],
  ['**/file*', 'dir/dir/file.txt', true],
  ['**/file*txt', 'dir/dir/file.txt', true],
  ['**/file*.txt', 'dir/dir/file.txt', true],
  ['**/file*.txt*', 'dir/dir/file.txt', true],
  ['**/**/*.txt', 'dir/dir/file.txt', true],
  ['**/**/*.txt2', 'dir/dir/file.txt', false],
  ['**/*.txt', 'file.txt', true],
  ['**/**/*.txt', 'file.txt', true],
  ['a**/*.txt', 'a/file.txt', true],
  ['a**/*.txt', 'a/dir/file.txt', true],
  ['a**/*.txt', 'a/dir/dir/file.txt', true],
  ['a/*.txt', 'a/dir/file.txt', false],
  ['a/*.txt', 'a/file.txt', true],
  ['a/*.txt**', 'a/file.txt', true],
  ['a[b-d]e', 'ae', false],
  ['a[b-d]e', 'ace', true],
  ['a[b-d]e', 'aae', false],
  ['a[^b-d]e', 'aze', true],
  ['.*', '.foo', true],
  ['.*', 'foo', false],
  ['abc.def', 'abcdef', false],
  ['abc.def', 'abc.def', true],
  ['abc.def', 'abcZdef', false],
  ['abc?def', 'abcZdef', true],
  ['abc?def', 'abcdef', false],
  ['a\\\\', 'a\\', true],
  ['**/foo/bar', 'foo/bar', true],
  ['**/foo/bar', 'dir/foo/bar', true],
  ['**/foo/bar', 'dir/dir2/foo/bar', true],
  ['abc/**', 'abc', false],
  ['abc/**', 'abc/def', true],
  ['abc/**', 'abc/def/ghi', true],
  ['**/.foo', '.foo', true],
  ['**/.foo', 'bar.foo', false],
  ['a(b)c/def', 'a(b)c/def', true],
  ['a(b)c/def', 'a(b)c/xyz', false],
  ['a.|)$(}+{bc', 'a.|)$(}+{bc', true],
  [
    'dist/proxy.py-2.4.0rc3.dev36+g08acad9-py3-none-any.whl',
    'dist/proxy.py-2.4.0rc3.dev36+g08acad9-py3-none-any.whl',
    true,
  ],
  ['dist/*.whl', 'dist/proxy.py-2.4.0rc3.dev36+g08acad9-py3-none-any.whl', true],
  ['a\\*b', 'a*b', true],
];

/** Those that moby took from Go's filepath.Match. */
const GO: readonly (readonly [string, string, boolean])[] = [
  ['abc', 'abc', true],
  ['*', 'abc', true],
  ['*c', 'abc', true],
  ['a*', 'a', true],
  ['a*', 'abc', true],
  ['a*', 'ab/c', true],
  ['a*/b', 'abc/b', true],
  ['a*/b', 'a/c/b', false],
  ['a*b*c*d*e*/f', 'axbxcxdxe/f', true],
  ['a*b*c*d*e*/f', 'axbxcxdxexxx/f', true],
  ['a*b*c*d*e*/f', 'axbxcxdxe/xxx/f', false],
  ['a*b*c*d*e*/f', 'axbxcxdxexxx/fff', false],
  ['a*b?c*x', 'abxbbxdbxebxczzx', true],
  ['a*b?c*x', 'abxbbxdbxebxczzy', false],
  ['ab[c]', 'abc', true],
  ['ab[b-d]', 'abc', true],
  ['ab[e-g]', 'abc', false],
  ['ab[^c]', 'abc', false],
  ['ab[^b-d]', 'abc', false],
  ['ab[^e-g]', 'abc', true],
  ['a\\*b', 'a*b', true],
  ['a\\*b', 'ab', false],
  ['a?b', 'a☺b', true],
  ['a[^a]b', 'a☺b', true],
  ['a???b', 'a☺b', false],
  ['a[^a][^a][^a]b', 'a☺b', false],
  ['[a-ζ]*', 'α', true],
  ['*[a-ζ]', 'A', false],
  ['a?b', 'a/b', false],
  ['a*b', 'a/b', false],
  ['[\\]a]', ']', true],
  ['[\\-]', '-', true],
  ['[x\\-]', 'x', true],
  ['[x\\-]', '-', true],
  ['[x\\-]', 'z', false],
  ['[\\-x]', 'x', true],
  ['[\\-x]', '-', true],
  ['[\\-x]', 'a', false],
  ['*x', 'xxx', true],
];

test.each([...MOBY, ...GO])('pattern %j on %j: %j', (pattern, path, expected) => {
  expect(isExcluded([pattern], path)).toBe(expected);
});

const MALFORMED = ['[]a]', '[-]', '[x-]', '[-x]', '\\', '[a-b-c]', '[', '[^', '[^bc', 'a[', '[Local-Only]/', 'a\\q'];

test.each(MALFORMED)('pattern %j is refused', (pattern) => {
  expect(() => compile([pattern])).toThrow('.dockerignore:1: syntax error in pattern');
});

const LISTS: readonly (readonly [readonly string[], string, boolean])[] = [
  [['**', '!util/docker/web'], 'util/docker/web/foo', false],
  [['**', '!util/docker/web', 'util/docker/web/foo'], 'util/docker/web/foo', true],
  [
    ['**', '!dist/proxy.py-2.4.0rc3.dev36+g08acad9-py3-none-any.whl'],
    'dist/proxy.py-2.4.0rc3.dev36+g08acad9-py3-none-any.whl',
    false,
  ],
  [['**', '!dist/*.whl'], 'dist/proxy.py-2.4.0rc3.dev36+g08acad9-py3-none-any.whl', false],
  [['!fileutils.go', '*.go'], 'fileutils.go', true],
  [['docs', '!docs/README.md'], 'docs/README.md', false],
  [['docs/', '!docs/README.md'], 'docs/README.md', false],
  [['docs/*', '!docs/README.md'], 'docs/README.md', false],
  [['*.go', '!fileutils.go'], 'fileutils.go', false],
  [[], '/any/path/there', false],
];

test.each(LISTS)('of %j the last that matches %j decides: %j', (patterns, path, expected) => {
  expect(isExcluded(patterns, path)).toBe(expected);
});

test('a lone ! is refused', () => {
  expect(() => compile(['a', '!'])).toThrow('.dockerignore:2: illegal exclusion pattern: "!"');
});

test('an exception is known of the list, spaces around it do not matter', () => {
  expect(compile(['docs']).hasExceptions).toBe(false);
  expect(compile(['docs', '  !docs/README.md']).hasExceptions).toBe(true);
  expect(compile(['docs', '!docs/README.md  ', '']).hasExceptions).toBe(true);
});

test('an excluded folder need not be read unless an exception may lie below it', () => {
  const path = toBytePath;
  expect(compile(['docs']).mayIncludeBelow(path('docs'))).toBe(false);
  const named = compile(['*', '!docs/a/README.md', '!src/**']);
  expect(
    [path('docs'), path('docs/a'), path('src'), path('srcs'), path('a')].map((folder) => named.mayIncludeBelow(folder)),
  ).toEqual([true, true, true, false, false]);
  expect(compile(['*', '!**/README.md']).mayIncludeBelow(path('anything'))).toBe(true);
});

test('the deciding pattern and its line are told', () => {
  const patterns = compile(['# no comment here', 'docs', '!docs/keep', '*.md']);
  expect(patterns.match(toBytePath('docs/a/b')).by).toEqual({ pattern: 'docs', line: 2 });
  expect(patterns.match(toBytePath('docs/keep')).by).toEqual({ pattern: '!docs/keep', line: 3 });
  expect(patterns.match(toBytePath('src/a.c'))).toMatchObject({ isExcluded: false });
  expect(patterns.match(toBytePath('src/a.c')).by).toBeUndefined();
});

test('a pattern that could change nothing for a folder is not taken to match what is below it', () => {
  // Seen from the top, `!a` is not asked about `a`, which nothing excluded; so it says nothing of a/y either.
  expect(isExcluded(['*/y', '!a'], 'a/y')).toBe(true);
  expect(isExcluded(['a', '*/y', '!a'], 'a/y')).toBe(false);
});

/** What moby's way through a Go regular expression makes of them; each was tried with moby itself. */
const SUBSTITUTED: readonly (readonly [string, string, boolean])[] = [
  ['a[*]b', 'a*b', false],
  ['a[*]b', 'a[[]b', true],
  ['[[:digit:]]', '7', true],
  ['[[:^digit:]]', '7', false],
  ['^*.txt', 'a.txt', true],
  ['a*[-_]b', 'a1-b', true],
  ['*.log|*.tmp', 'a.log', true],
  ['*.log|*.tmp', 'b/c.tmp', true],
  ['*.log|*.tmp', 'a.txt', false],
  ['a|b', 'a', false],
  ['*.{js,ts}', 'a.{js,ts}', true],
  ['*.{js,ts}', 'a.js', false],
  ['a{2}*', 'aab', true],
  ['a{2}*', 'a{2}b', false],
  ['[ab]{0,2}', 'c', false],
  ['[ab]{0,2}', 'ab', true],
  ['a\\d', 'a1', true],
  ['a\\x64', 'ad', true],
  ['\\pL*', 'é1', true],
  ['src\\bin', 'src/bin', false],
  ['\\Qa*', 'a', false],
];

test.each(SUBSTITUTED)('pattern %j on %j: %j, as its expression reads', (pattern, path, expected) => {
  expect(isExcluded([pattern], path)).toBe(expected);
});

test('the walk from the top and the path alone give the same answers', () => {
  const patterns = compile(['**/*.log', '!keep/**', 'keep/**/no', '!**/important.log', 'build*/']);
  const names = ['keep', 'no', 'a.log', 'important.log', 'builds', 'src'];
  for (const first of names)
    for (const second of names)
      for (const third of names) {
        const one = patterns.match(toBytePath(first));
        const two = patterns.match(toBytePath(`${first}/${second}`), one);
        const three = patterns.match(toBytePath(`${first}/${second}/${third}`), two);
        const alone = patterns.match(toBytePath(`${first}/${second}/${third}`));
        expect(three).toEqual(alone);
      }
});

test('names beyond ASCII are characters, not bytes', () => {
  expect(isExcluded(['caf?'], 'café')).toBe(true);
  expect(isExcluded(['[à-ü]*'], 'été')).toBe(true);
  expect(isExcluded(['☺.txt'], '☺.txt')).toBe(true);
});

test('matching takes linear time where backtracking would not end', () => {
  const pattern = `${'*a'.repeat(40)}*b`;
  const started = performance.now();
  expect(isExcluded([pattern, `**/${pattern}`, `${'**/a'.repeat(30)}/b`], 'a'.repeat(4000))).toBe(false);
  expect(performance.now() - started).toBeLessThan(1000);
});

test('random patterns mean what their regular expression means', () => {
  const pieces = ['a', 'b', 'ab', '*', '**', '/', '**/', '?', '.', '[ab]', '\\*'];
  let state = 1;
  const pick = (list: readonly string[]) => {
    state = (state * 48_271) % 0x7fffffff;
    return list[state % list.length] ?? '';
  };
  const compose = (list: readonly string[], count: number) => Array.from({ length: count }, () => pick(list)).join('');
  for (let run = 0; run < 3000; run++) {
    const pattern = cleanPath(compose(pieces, 1 + (run % 6)));
    const path = cleanPath(compose(['a', 'b', 'ab', '/', '.', '*', 'c'], 1 + (run % 7))).replace(/^\//, '');
    // moby compares what follows a leading ** as text where nothing else in it is special.
    if (pattern.endsWith('\\') || /^\*\*[^*?[\]\\]*$/.test(pattern)) continue;
    const test = compilePathPattern(pattern);
    if (typeof test === 'object') throw new Error(`${pattern} is refused`);
    expect([pattern, path, test(path)]).toEqual([pattern, path, expressionOf(pattern).test(path)]);
  }
});

function expressionOf(pattern: string): RegExp {
  const source = pattern.replace(/[.+()|{}$]/g, '\\$&').replace(/\\\*|\*\*\/?$|\*\*\/?|\*|\?/g, (glob, at: number) => {
    if (glob === '\\*') return glob;
    if (glob === '?') return '[^/]';
    if (glob === '*') return '[^/]*';
    return at + glob.length === pattern.replace(/[.+()|{}$]/g, '\\$&').length ? '.*' : '(.*/)?';
  });
  return new RegExp(`^${source}$`);
}

test('an ignore file is read by docker rules', () => {
  const text = '\ufefftest1\n/test2\n/a/file/here\n\nlastfile\n# this is a comment\n! /inverted/abs/path\n!\n! ';
  expect(parseIgnoreFile(text)).toEqual([
    { pattern: 'test1', line: 1 },
    { pattern: 'test2', line: 2 },
    { pattern: 'a/file/here', line: 3 },
    { pattern: 'lastfile', line: 5 },
    { pattern: '!inverted/abs/path', line: 7 },
    { pattern: '!', line: 8 },
    { pattern: '!', line: 9 },
  ]);
});

test('lines of an ignore file are trimmed and cleaned; a # after spaces is no comment', () => {
  const patterns = parseIgnoreFile('  a//b/../c/  \r\n #x\n./\n/\n../up\n!./k/\n').map(({ pattern }) => pattern);
  expect(patterns).toEqual(['a/c', '#x', '.', '/', '../up', '!k']);
});
