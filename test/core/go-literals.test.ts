import { expect, test } from 'vitest';
import {
  parseByteSize,
  parseGoBoolean,
  parseGoDuration,
  parseGoInt32,
  parseGoUint32,
} from '../../src/core/go-literals.ts';

test.each([
  ['0', 0],
  ['5s', 5e9],
  ['30s', 30e9],
  ['1478s', 1478e9],
  ['-5s', -5e9],
  ['+5s', 5e9],
  ['-0', 0],
  ['5.0s', 5e9],
  ['5.6s', 5.6e9],
  ['5.s', 5e9],
  ['.5s', 5e8],
  ['1.004s', 1_004e6],
  ['10ns', 10],
  ['11us', 11_000],
  ['12µs', 12_000],
  ['12μs', 12_000],
  ['13ms', 13e6],
  ['15m', 900e9],
  ['16h', 57_600e9],
  ['3h30m', 12_600e9],
  ['10.5s4m', 250.5e9],
  ['1h2m3s4ms5us6ns', 3_723_004_005_006],
  ['0.3333333333333333333h', 1_199_999_999_999],
])('the duration %s is %d nanoseconds', (text, nanoseconds) => {
  expect(Math.abs(Number(parseGoDuration(text)) - nanoseconds)).toBeLessThanOrEqual(1);
});

test.each([
  ['', 'time: invalid duration ""'],
  ['3', 'time: missing unit in duration "3"'],
  ['-', 'time: invalid duration "-"'],
  ['s', 'time: invalid duration "s"'],
  ['.', 'time: invalid duration "."'],
  ['-.', 'time: invalid duration "-."'],
  ['.s', 'time: invalid duration ".s"'],
  ['1x', 'time: unknown unit "x" in duration "1x"'],
  ['1 s', 'time: unknown unit " s" in duration "1 s"'],
  ['9223372036854775808ns', 'time: invalid duration "9223372036854775808ns"'],
  ['2562048h', 'time: invalid duration "2562048h"'],
])('%j is no duration', (text, problem) => {
  expect(parseGoDuration(text)).toEqual({ problem });
});

test.each([
  ['32', 32],
  ['32b', 32],
  ['32B', 32],
  ['32k', 32 * 1024],
  ['32K', 32 * 1024],
  ['32kb', 32 * 1024],
  ['32Kib', 32 * 1024],
  ['32Mb', 32 * 1024 ** 2],
  ['32Gb', 32 * 1024 ** 3],
  ['32Tb', 32 * 1024 ** 4],
  ['1.5 GiB', 1.5 * 1024 ** 3],
  ['.5k', 512],
  ['1e3', 1000],
  ['32.3', 32],
])('the size %s is %d bytes', (text, bytes) => {
  expect(parseByteSize(text)).toBe(bytes);
});

test.each(['', 'hello', '-32', ' 32 ', '32 mm', '32bb', '32kbb', '1 1b', '32m b', '9999999p'])(
  '%j is no size',
  (text) => {
    expect(parseByteSize(text)).toBeUndefined();
  },
);

test('numbers and booleans are those of strconv', () => {
  expect(['1', 't', 'TRUE', 'True', '0', 'F', 'false'].map(parseGoBoolean)).toEqual([
    ...[true, true, true, true],
    ...[false, false, false],
  ]);
  expect(['yes', 'tRUE', '', ' 1'].map(parseGoBoolean)).toEqual([undefined, undefined, undefined, undefined]);
  expect([parseGoUint32('0755', 8), parseGoUint32('8', 8), parseGoUint32('4294967296', 10)]).toEqual([
    493,
    undefined,
    undefined,
  ]);
  expect([parseGoInt32('-2147483648'), parseGoInt32('2147483648'), parseGoInt32('1_0')]).toEqual([
    -2147483648,
    undefined,
    undefined,
  ]);
});
