import { expect, test } from 'vitest';
import { mountOptions } from '../../../src/executor/native/mount-options.ts';

test.each([
  [
    ['nosuid', 'strictatime', 'mode=755', 'size=65536k'],
    {
      attributes: 0x22,
      bind: undefined,
      depth: 'alone',
      parameters: [
        ['mode', '755'],
        ['size', '65536k'],
      ],
    },
  ],
  [
    ['nosuid', 'noexec', 'newinstance', 'gid=5'],
    {
      attributes: 0xa,
      bind: undefined,
      depth: 'alone',
      parameters: [
        ['newinstance', undefined],
        ['gid', '5'],
      ],
    },
  ],
  [['rbind', 'nodev', 'ro'], { attributes: 5, bind: 'recursive', depth: 'alone', parameters: [] }],
  [['rbind', 'rro'], { attributes: 1, bind: 'recursive', depth: 'recursive', parameters: [] }],
  [['bind', 'noatime', 'nodiratime'], { attributes: 0, bind: 'alone', depth: 'alone', parameters: [] }],
])('%j are attributes of the mount and parameters of the filesystem', (options, expected) => {
  expect(mountOptions(options)).toEqual(expected);
});
