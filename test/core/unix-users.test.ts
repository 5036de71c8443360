import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { describe, expect, test } from 'vitest';
import { findGroup, findUser, lookupUser, parseId, readUserFiles } from '../../src/core/unix-users.ts';
import { rootView } from '../../src/executor/root-view.ts';

const PASSWD = `root:x:0:0:root:/root:/bin/sh
www-data:x:33:33:www-data:/var/www:/bin/false
# comment

short:x
bad:x:NaN:1:::
anna:x:901:902::/home/anna:/bin/sh
anna:x:999:999::/second:/bin/sh
1500:x:903:904::/numname:/bin/sh
nohome:x:77:77
`;
const GROUP = `root:x:0:
staff:x:50:www-data
www-data:x:33:
users:x:100:www-data
# comment

crew:x:905:bert, anna,anna
team:x:906:anna
crew:x:907:
`;
const files = { passwd: PASSWD, group: GROUP };

describe('lookupUser', () => {
  test.each([
    ['', 0, 0, [0], '/root'],
    ['root', 0, 0, [0], '/root'],
    ['0', 0, 0, [0], '/root'],
    ['root:root', 0, 0, [0], '/root'],
    ['www-data', 33, 33, [33, 50, 100], '/var/www'],
    ['33', 33, 33, [33, 50, 100], '/var/www'],
    ['www-data:users', 33, 100, [100], '/var/www'],
    ['33:users', 33, 100, [100], '/var/www'],
    ['33:50', 33, 50, [50], '/var/www'],
    ['www-data:65534', 33, 65534, [65534], '/var/www'],
    ['1234', 1234, 0, [0], '/'],
    ['1234:5678', 1234, 5678, [5678], '/'],
    ['anna', 901, 902, [902, 905, 906], '/home/anna'],
    ['anna:crew', 901, 905, [905], '/home/anna'],
    ['1500', 1500, 0, [0], '/'],
    ['00', 0, 0, [0], '/root'],
    ['+33', 33, 33, [33, 50, 100], '/var/www'],
    ['nohome', 77, 77, [77], '/'],
    ['2147483647', 2147483647, 0, [0], '/'],
  ] as const)('"%s" is %i:%i', (spec, uid, gid, groups, home) => {
    expect(lookupUser(files, spec)).toEqual({ uid, gid, groups, home });
  });

  test.each(['4294967296', '-1', '2147483648', '0:4294967296', '99999999999999999999999'])(
    '"%s" is a number that is no id, never a name',
    (spec) => {
      const passwd = `${spec.split(':')[0]}:x:0:0::/:\n${PASSWD}`;
      expect(() => lookupUser({ passwd, group: GROUP }, spec)).toThrow(
        expect.objectContaining({ code: 'SLIPWAY_USER_INVALID' }),
      );
    },
  );

  test.each(['nobody-knows', 'www-data:nogroup-knows', '0x0', 'ANNA'])('"%s" is unknown', (spec) => {
    expect(() => lookupUser(files, spec)).toThrow(expect.objectContaining({ code: 'SLIPWAY_USER_UNKNOWN' }));
  });

  test('without the files only numbers and root by default work', () => {
    const none = { passwd: undefined, group: undefined };
    expect(lookupUser(none, '')).toEqual({ uid: 0, gid: 0, groups: [0], home: '/' });
    expect(lookupUser(none, '5:6')).toEqual({ uid: 5, gid: 6, groups: [6], home: '/' });
    expect(() => lookupUser(none, 'anna')).toThrow('the image has no /etc/passwd');
  });
});

test('the first entry with a name or id counts', () => {
  expect(findUser(PASSWD, 'anna')).toMatchObject({ uid: 901, gid: 902 });
  expect(findUser(PASSWD, 999)).toMatchObject({ name: 'anna', home: '/second' });
  expect(findGroup(GROUP, 'crew')).toMatchObject({ gid: 905 });
  expect([parseId('12'), parseId('x12'), parseId('')]).toEqual([12, undefined, undefined]);
});

describe('readUserFiles', () => {
  function withRoot<T>(fill: (root: string) => void, read: (root: string) => T): T {
    const root = mkdtempSync(`${tmpdir()}/slipway-users-`);
    mkdirSync(`${root}/etc`);
    try {
      fill(root);
      return read(root);
    } finally {
      rmSync(root, { recursive: true });
    }
  }
  const readIn = (root: string) => readUserFiles(rootView(root));

  test('symlinks are followed inside the root only', () => {
    const found = withRoot((root) => {
      mkdirSync(`${root}/usr`);
      writeFileSync(`${root}/usr/passwd`, 'in the root');
      symlinkSync('/../../usr/passwd', `${root}/etc/passwd`);
      symlinkSync('/proc/self/environ', `${root}/etc/group`);
    }, readIn);
    expect(found).toEqual({ passwd: 'in the root', group: undefined });
  });

  test('a file above 10 MiB, a folder and a symlink loop are not read', () => {
    const refused = expect.objectContaining({ code: 'SLIPWAY_USER_FILE_INVALID' });
    const read = (fill: (path: string) => void) => withRoot((root) => fill(`${root}/etc/passwd`), readIn);
    expect(() => read((path) => writeFileSync(path, Buffer.alloc(10 * 1024 ** 2 + 1)))).toThrow(refused);
    expect(() => read((path) => mkdirSync(path))).toThrow(refused);
    expect(read((path) => symlinkSync('passwd', path)).passwd).toBeUndefined();
  });
});
