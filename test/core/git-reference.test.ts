import { describe, expect, test } from 'vitest';
import { type GitReference, parseGitReference } from '../../src/core/git-reference.ts';

const BUILDKIT = 'https://github.com/moby/buildkit.git';

/** The cases of BuildKit's TestParseGitRef, but for the form `github.com/…`, which only a context may have. */
const REFERENCES: readonly (readonly [string, GitReference | undefined])[] = [
  ['https://example.com/', undefined],
  ['https://example.com/foo', undefined],
  ['https://example.com/foo.git', { remote: 'https://example.com/foo.git' }],
  ['https://example.com/foo.git#deadbeef', { remote: 'https://example.com/foo.git', ref: 'deadbeef' }],
  ['https://example.com/foo.git#release/1.2', { remote: 'https://example.com/foo.git', ref: 'release/1.2' }],
  ['https://example.com/foo.git#a%20b:c%3Ad', { remote: 'https://example.com/foo.git', ref: 'a b', subdir: 'c:d' }],
  ['https://example.com/foo.git/', undefined],
  ['https://example.com/foo.git.bar', undefined],
  ['git://example.com/foo', { remote: 'git://example.com/foo' }],
  ['custom.xyz/moby/buildkit.git', undefined],
  ['https://github.com/moby/buildkit', undefined],
  [BUILDKIT, { remote: BUILDKIT }],
  ['https://foo:bar@github.com/moby/buildkit.git', { remote: 'https://foo:bar@github.com/moby/buildkit.git' }],
  ['git@github.com:moby/buildkit', { remote: 'git@github.com:moby/buildkit' }],
  ['git@github.com:moby/buildkit.git', { remote: 'git@github.com:moby/buildkit.git' }],
  ['git@bitbucket.org:team/docker.git', { remote: 'git@bitbucket.org:team/docker.git' }],
  [`${BUILDKIT}#baz/qux:quux/quuz`, { remote: BUILDKIT, ref: 'baz/qux', subdir: 'quux/quuz' }],
  ['http://github.com/docker/docker.git:#branch', undefined],
  [`${BUILDKIT}#:myfolder`, { remote: BUILDKIT, subdir: 'myfolder' }],
  ['./.git', undefined],
  ['file#%zz', undefined],
  ['.git', undefined],
  [`${BUILDKIT}?ref=v1.0.0&subdir=/subdir`, { remote: BUILDKIT, ref: 'v1.0.0', subdir: 'subdir' }],
  [`${BUILDKIT}?subdir=/subdir#v1.0.0`, { remote: BUILDKIT, ref: 'v1.0.0', subdir: 'subdir' }],
  [`${BUILDKIT}?tag=v1.0.0`, { remote: BUILDKIT, ref: 'refs/tags/v1.0.0' }],
  [`${BUILDKIT}?branch=v1.0`, { remote: BUILDKIT, ref: 'refs/heads/v1.0' }],
  [
    'git@github.com:moby/buildkit.git?subdir=/subdir#v1.0.0',
    { remote: 'git@github.com:moby/buildkit.git', ref: 'v1.0.0', subdir: 'subdir' },
  ],
  [`${BUILDKIT}?mtime=commit`, { remote: BUILDKIT, mtime: 'commit' }],
  [`${BUILDKIT}?mtime=checkout`, { remote: BUILDKIT }],
  [
    `${BUILDKIT}?fetch-by-commit=true&checksum=deadbeef#refs/heads/branch`,
    { remote: BUILDKIT, ref: 'refs/heads/branch', checksum: 'deadbeef', fetchByCommit: true },
  ],
  [`${BUILDKIT}?fetch-by-commit&commit=deadbeef`, { remote: BUILDKIT, checksum: 'deadbeef', fetchByCommit: true }],
  [`${BUILDKIT}?fetch-by-commit=false`, { remote: BUILDKIT }],
  [`${BUILDKIT}?keep-git-dir&submodules=false`, { remote: BUILDKIT, keepGitDir: true, submodules: false }],
];

const REFUSED: readonly (readonly [string, string])[] = [
  [`${BUILDKIT}?ref=v1.0.0#v1.2.3`, 'ref conflicts'],
  [`${BUILDKIT}?ref=v1.0.0&tag=v1.2.3`, 'ref conflicts'],
  [`${BUILDKIT}?tag=v1.0.0&branch=v1.0`, 'branch conflicts with tag'],
  [`${BUILDKIT}?mtime=invalid`, 'invalid mtime value'],
  [`${BUILDKIT}?fetch-by-commit=invalid`, 'invalid fetch-by-commit value'],
  [`${BUILDKIT}?invalid=123`, 'unexpected query "invalid"'],
  [`${BUILDKIT}?ref=a&ref=b`, 'multiple values'],
  [`${BUILDKIT}#%zz`, 'invalid escape'],
];

describe('a Git URL', () => {
  test.each(REFERENCES)('%s', (text, expected) => {
    expect(parseGitReference(text)).toEqual(expected);
  });

  test.each(REFUSED)('%s is refused', (text, why) => {
    expect(() => parseGitReference(text)).toThrow(why);
  });

  test('is named without its password where it is refused', () => {
    expect(() => parseGitReference('https://me:p@ss@example.com/x.git?y=1')).toThrow('https://example.com/x.git?y=1: ');
  });
});
