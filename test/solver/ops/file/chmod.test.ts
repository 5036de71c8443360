import { describe, expect, test } from 'vitest';
import { modeChange } from '../../../../solver/ops/file/chmod.ts';

/** [mode before, kind, --chmod, mode after]; the results are what BuildKit gives. */
const CASES: readonly [number, 'folder' | 'other', number | string, number][] = [
  [0o644, 'other', 0o755, 0o755],
  [0o644, 'other', 0o4711, 0o4711],
  [0o644, 'other', 0, 0],
  [0o640, 'other', 'u+x', 0o740],
  [0o640, 'other', 'go-rwx,u=rw', 0o600],
  [0o750, 'other', 'a=rX', 0o555],
  [0o640, 'other', 'a=rX', 0o444],
  [0o700, 'folder', 'a=rX', 0o555],
  [0o640, 'other', '+x', 0o751],
  [0o640, 'other', 'u=rwX,go=rX', 0o644],
  [0o700, 'folder', 'u=rwX,go=rX', 0o755],
  [0o640, 'other', 'g=u,o=g', 0o666],
  [0o640, 'other', 'u+s,g+s,+t', 0o7640],
  [0o7777, 'other', 'u-s,g-s', 0o1777],
  [0o1777, 'folder', '-t', 0o777],
  [0o1777, 'folder', 'a=rwx', 0o1777],
  [0o777, 'other', '=', 0],
  [0o777, 'other', 'go=', 0o700],
  [0o755, 'other', 'go=u-w', 0o755],
  [0o644, 'other', 'u+w-r', 0o244],
  [0o644, 'other', 'o+s', 0o644],
  [0o644, 'other', 'o+t', 0o644],
  [0o640, 'other', 'o=u', 0o646],
  [0o764, 'other', 'u-o', 0o364],
  [0o644, 'other', '+xt', 0o1644],
  [0o644, 'other', 'a+X', 0o644],
  [0o744, 'other', 'a-x+X', 0o755],
];

describe('--chmod', () => {
  test.each(CASES)('%o of a %s with %s gives %o', (before, kind, chmod, after) => {
    const change = modeChange(chmod);
    expect(change?.(before, kind).toString(8)).toBe(after.toString(8));
  });

  test.each(['', 'rwxq', 'u', 'u+x,', ',u+x', 'z+x', 'u+y', '899'])('%j is no mode', (text) => {
    expect(modeChange(text)).toBeUndefined();
  });
});
