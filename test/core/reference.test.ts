import { describe, expect, test } from 'vitest';
import { familiarReference, formatReference, isTag, parseReference } from '../../src/core/reference.ts';

const HEX = 'a3ed95caeb02ffe68cdd9fd84406680ae93d633cb16422d00e8a7c22955b46d4';
const DIGEST = `sha256:${HEX}`;

/** [as written, in full, as docker shows it] */
const VALID: readonly (readonly [string, string, string])[] = [
  ['debian', 'docker.io/library/debian:latest', 'debian:latest'],
  ['debian:bookworm', 'docker.io/library/debian:bookworm', 'debian:bookworm'],
  ['library/debian', 'docker.io/library/debian:latest', 'debian:latest'],
  ['docker.io/debian', 'docker.io/library/debian:latest', 'debian:latest'],
  ['index.docker.io/debian:x', 'docker.io/library/debian:x', 'debian:x'],
  ['index.docker.io/docker/docker', 'docker.io/docker/docker:latest', 'docker/docker:latest'],
  ['docker.io/library/a/b', 'docker.io/library/a/b:latest', 'library/a/b:latest'],
  ['some/repo:tag', 'docker.io/some/repo:tag', 'some/repo:tag'],
  ['localhost/x', 'localhost/x:latest', 'localhost/x:latest'],
  ['localhost:5000/x', 'localhost:5000/x:latest', 'localhost:5000/x:latest'],
  ['127.0.0.1:5000/docker/docker:2', '127.0.0.1:5000/docker/docker:2', '127.0.0.1:5000/docker/docker:2'],
  ['[::1]:5000/x', '[::1]:5000/x:latest', '[::1]:5000/x:latest'],
  ['[2001:db8::1]/x:y', '[2001:db8::1]/x:y', '[2001:db8::1]/x:y'],
  ['ghcr.io/a/b/c-d__e', 'ghcr.io/a/b/c-d__e:latest', 'ghcr.io/a/b/c-d__e:latest'],
  ['Upper/name', 'Upper/name:latest', 'Upper/name:latest'],
  ['EXAMPLE.com/name', 'EXAMPLE.com/name:latest', 'EXAMPLE.com/name:latest'],
  ['xn--n3h.com/myimage:xn--n3h.com', 'xn--n3h.com/myimage:xn--n3h.com', 'xn--n3h.com/myimage:xn--n3h.com'],
  ['test:5000/repo', 'test:5000/repo:latest', 'test:5000/repo:latest'],
  ['a--b---c', 'docker.io/library/a--b---c:latest', 'a--b---c:latest'],
  ['foo_bar.com:8080', 'docker.io/library/foo_bar.com:8080', 'foo_bar.com:8080'],
  ['1', 'docker.io/library/1:latest', '1:latest'],
  ['x:V1_A.b-c', 'docker.io/library/x:V1_A.b-c', 'x:V1_A.b-c'],
  [`x@${DIGEST}`, `docker.io/library/x@${DIGEST}`, `x@${DIGEST}`],
  [`x:tag@${DIGEST}`, `docker.io/library/x:tag@${DIGEST}`, `x:tag@${DIGEST}`],
  [`localhost:5000/x:tag@${DIGEST}`, `localhost:5000/x:tag@${DIGEST}`, `localhost:5000/x:tag@${DIGEST}`],
  [`${HEX.slice(0, 63)}`, `docker.io/library/${HEX.slice(0, 63)}:latest`, `${HEX.slice(0, 63)}:latest`],
  [`x/${HEX}`, `docker.io/x/${HEX}:latest`, `x/${HEX}:latest`],
];

const INVALID: readonly (readonly [string, string])[] = [
  ['', 'invalid reference format'],
  [':justtag', 'invalid reference format'],
  [`@${DIGEST}`, 'invalid reference format'],
  ['Bad_Name:x:y', 'invalid reference format: repository name (library/Bad_Name) must be lowercase'],
  ['Debian', 'invalid reference format: repository name (library/Debian) must be lowercase'],
  ['localhost/Upper', 'invalid reference format: repository name (Upper) must be lowercase'],
  ['-test', 'invalid reference format'],
  ['test-', 'invalid reference format'],
  ['test_-x', 'invalid reference format'],
  ['test___x', 'invalid reference format'],
  ['a..b/c', 'invalid reference format'],
  ['-.example.com/x', 'invalid reference format'],
  ['x y', 'invalid reference format'],
  ['x:', 'invalid reference format'],
  ['x:tag:tag', 'invalid reference format'],
  ['x:-tag', 'invalid reference format'],
  [`x:${'t'.repeat(129)}`, 'invalid reference format'],
  ['/x', 'invalid reference format'],
  ['x/', 'invalid reference format'],
  ['x//y', 'invalid reference format'],
  ['docker.io/', 'invalid reference format'],
  ['http://localhost/x', 'invalid reference format'],
  ['$base', 'invalid reference format'],
  ['x@sha256', 'invalid reference format'],
  ['x@sha256:abcd', 'invalid reference format'],
  [`x@sha256:${'a'.repeat(40)}`, 'invalid checksum digest length'],
  [`x@sha256:${'A'.repeat(64)}`, 'invalid checksum digest format'],
  [`x@md5:${'a'.repeat(32)}`, 'unsupported digest algorithm'],
  [`x@sha512:${'a'.repeat(128)}`, 'unsupported digest algorithm sha512'],
  [HEX, 'cannot specify 64-byte hexadecimal strings'],
  ['a'.repeat(256), 'repository name must not be more than 255 characters'],
  [`${'a/'.repeat(130)}a`, 'repository name must not be more than 255 characters'],
  ['[fe80::1%eth0]:5000/x', 'invalid reference format'],
  ['[::1:5000/x', 'invalid reference format'],
  ['x\n', 'invalid reference format'],
  ['ä/x', 'invalid reference format'],
];

describe('parseReference', () => {
  test.each(VALID)('reads %s', (text, full, familiar) => {
    expect(formatReference(parseReference(text))).toBe(full);
    expect(familiarReference(parseReference(text))).toBe(familiar);
    expect(parseReference(full)).toEqual(parseReference(text));
  });

  test.each(INVALID)('refuses %j', (text, message) => {
    expect(() => parseReference(text)).toThrowError(
      expect.objectContaining({ code: 'SLIPWAY_REFERENCE_INVALID', message: expect.stringContaining(message) }),
    );
  });

  test('keeps domain, path, tag and digest apart', () => {
    expect(parseReference(`localhost:5000/a/b:c@${DIGEST}`)).toEqual({
      domain: 'localhost:5000',
      path: 'a/b',
      tag: 'c',
      digest: DIGEST,
    });
  });

  test('takes no time worth speaking of for a hostile text', () => {
    const start = performance.now();
    for (const text of [`${'a-'.repeat(1e6)}!`, `${'a.'.repeat(2000)}/!`, `${'a/'.repeat(1e5)}A`])
      expect(() => parseReference(text)).toThrow();
    expect(performance.now() - start).toBeLessThan(1000);
  });
});

test('isTag accepts what may stand behind the colon and nothing else', () => {
  expect(['latest', '_x', '1.0-rc_1', 'A'.repeat(128)].every(isTag)).toBe(true);
  expect(['', '.x', '-x', 'a/b', 'a:b', 'A'.repeat(129)].some(isTag)).toBe(false);
});
