import { execFileSync, spawnSync } from 'node:child_process';
import {
  closeSync,
  ftruncateSync,
  linkSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  rmSync,
  symlinkSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { TarReader } from '../../../cache/tar/tar-reader.ts';
import { archiveOf, item, octal, padded, paxHeader, rawHeader, readArchive, TRAILER } from './archives.ts';

const folder = mkdtempSync(join(tmpdir(), 'slipway-test-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const hasGnuTar = spawnSync('tar', ['--version'], { encoding: 'utf8' }).stdout?.includes('GNU tar') === true;
if (!hasGnuTar) console.warn('SKIPPED: archives of GNU tar are not read, because there is no GNU tar on this machine');

const LONG = 'n'.repeat(150);
const SPARSE_SIZE = 5_000_000;

describe.skipIf(!hasGnuTar)('TarReader on archives of GNU tar', () => {
  beforeAll(() => {
    mkdirSync(join(folder, 'in/sub'), { recursive: true });
    writeFileSync(join(folder, 'in/a'), 'hello');
    linkSync(join(folder, 'in/a'), join(folder, 'in/b'));
    symlinkSync('a', join(folder, 'in/link'));
    writeFileSync(join(folder, 'in/sub', 'n'.repeat(80)), 'x'.repeat(1000));
    writeFileSync(join(folder, LONG), 'long name');
    const sparse = openSync(join(folder, 'sparse'), 'w');
    for (let place = 100_000; place < SPARSE_SIZE; place += 500_000) writeSync(sparse, `data at ${place}`, place);
    ftruncateSync(sparse, SPARSE_SIZE);
    closeSync(sparse);
  });
  const gnuTar = (...args: string[]) =>
    execFileSync('tar', ['-C', folder, '-c', '--sort=name', '--numeric-owner', ...args], { maxBuffer: 1 << 28 });

  it.each(['v7', 'ustar', 'gnu', 'oldgnu', 'posix'])('reads the format %s', (format) => {
    const entries = readArchive(gnuTar(`--format=${format}`, 'in'));
    expect(entries.map(({ path, type, bytes }) => [path, type, bytes.length])).toEqual([
      ['in/', 'dir', 0],
      ['in/a', 'file', 5],
      ['in/b', 'hardlink', 0],
      ['in/link', 'symlink', 0],
      ['in/sub/', 'dir', 0],
      [`in/sub/${'n'.repeat(80)}`, 'file', 1000],
    ]);
    expect(entries[2]?.target).toBe('in/a');
  });

  it.each(['gnu', 'posix'])('reads long names of the format %s', (format) => {
    const entries = readArchive(gnuTar(`--format=${format}`, LONG), 100);
    expect(entries.map(({ path, bytes }) => [path, bytes])).toEqual([[LONG, 'long name']]);
  });

  it.each([
    ['gnu', '0.0'],
    ['posix', '0.0'],
    ['posix', '0.1'],
    ['posix', '1.0'],
  ])('reads sparse files of the format %s %s', (format, version) => {
    const archive = gnuTar(`--format=${format}`, '--sparse', `--sparse-version=${version}`, 'sparse');
    expect(archive.length).toBeLessThan(200_000);
    const entries = readArchive(archive, 1000);
    expect(entries.map(({ path, size, bytes }) => [path, size, bytes.length])).toEqual([
      ['sparse', SPARSE_SIZE, SPARSE_SIZE],
    ]);
    expect(entries[0]?.bytes.slice(600_000, 600_014)).toBe('data at 600000');
    expect(entries[0]?.bytes.replaceAll(/\0|data at [0-9]+/g, '')).toBe('');
  });
});

describe('TarReader on what is allowed but rare', () => {
  it('reads base-256 numbers, also negative ones', () => {
    const size = Buffer.from([0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 3]);
    const mtime = Buffer.alloc(12, 0xff);
    const [entry] = readArchive(
      Buffer.concat([rawHeader({ size, mtime, magic: 'ustar  \0' }), padded('abc'), TRAILER]),
    );
    expect([entry?.size, entry?.mtime, entry?.bytes]).toEqual([3, -1, 'abc']);
  });

  it('reads a folder of version 7, which ends in a slash', () => {
    const [entry] = readArchive(Buffer.concat([rawHeader({ name: 'old/', flag: '\0', magic: '' }), TRAILER]));
    expect(entry?.type).toBe('dir');
  });

  it('puts the prefix before the name only in POSIX archives', () => {
    const read = (magic: string, prefix: string) => readArchive(rawHeader({ name: 'n', prefix, magic }))[0]?.path;
    expect(read('ustar\u000000', 'p')).toBe('p/n');
    // Where GNU tar was asked for them, it has the times of access and change there.
    expect(read('ustar  \0', '15300564661\u000015300564661\0')).toBe('n');
  });

  it('takes owner and time from global headers, and lets an entry say otherwise', () => {
    const archive = Buffer.concat([
      paxHeader(['comment=made by git', 'uid=7', 'mtime=1.9'], 'g'),
      rawHeader({ name: 'a' }),
      paxHeader(['uid=8']),
      rawHeader({ name: 'b' }),
      TRAILER,
    ]);
    expect(readArchive(archive).map(({ uid, mtime }) => [uid, mtime])).toEqual([
      [7, 1],
      [8, 1],
    ]);
  });

  it('never takes the size of an extended header for that of a header between', () => {
    const archive = Buffer.concat([
      paxHeader(['size=3']),
      rawHeader({ name: '././@LongLink', flag: 'L', size: octal(5), magic: 'ustar  \0' }),
      padded('name\0'),
      rawHeader({ size: octal(700) }),
      padded('abc'),
      TRAILER,
    ]);
    expect(readArchive(archive).map(({ path, bytes }) => [path, bytes])).toEqual([['name', 'abc']]);
  });

  it('ignores what stands after the end', () => {
    expect(readArchive(Buffer.concat([rawHeader({}), TRAILER, Buffer.from('garbage')]))).toHaveLength(1);
  });

  it('accepts an archive without a trailer, as GNU tar and Go do', () => {
    expect(readArchive(rawHeader({}))).toHaveLength(1);
    expect(readArchive(Buffer.alloc(0))).toEqual([]);
  });
});

const whole = archiveOf([item({ path: 'a', xattrs: new Map([['user.x', 'y']]) }, 'x'.repeat(600))]);
const MAP_10 = ['GNU.sparse.major=1', 'GNU.sparse.minor=0', 'GNU.sparse.realsize=1000'];
const sparse10 = (map: string, size = 512) =>
  Buffer.concat([paxHeader(MAP_10), rawHeader({ size: octal(size) }), padded(map), TRAILER]);

describe('TarReader refuses', () => {
  it.each<[string, Buffer, RegExp]>([
    ['a wrong checksum', rawHeader({ checksum: '000000\0 ' }), /checksum is wrong/],
    ['what is no archive', Buffer.alloc(1024, 'x'), /checksum/],
    ['a size that is no number', rawHeader({ size: '12x' }), /size is no number/],
    ['a negative size', rawHeader({ size: Buffer.alloc(12, 0xff) }), /size is negative/],
    [
      'a size above 2^53',
      rawHeader({ size: Buffer.concat([Buffer.from([0x80]), Buffer.alloc(11, 0xff)]) }),
      /size is no number/,
    ],
    ['a negative owner', rawHeader({ uid: Buffer.alloc(8, 0xff) }), /uid is negative/],
    [
      'the owner that chown takes as none',
      Buffer.concat([paxHeader(['uid=4294967295']), rawHeader({})]),
      /out of range/,
    ],
    ['a negative size in a record', Buffer.concat([paxHeader(['size=-5']), rawHeader({})]), /size is no number/],
    [
      'bytes behind a hard link, which only some readers pass over',
      Buffer.concat([paxHeader(['size=3']), rawHeader({ flag: '1', target: 'a' }), padded('abc')]),
      /hard link's extended header gives it bytes/,
    ],
    [
      'what some readers take for a prefix in a header of GNU tar',
      rawHeader({ magic: 'ustar  \0', prefix: 'pre/fix' }),
      /no time where others have a prefix/,
    ],
    ['a NUL in a path', Buffer.concat([paxHeader(['path=a\0b']), rawHeader({})]), /NUL/],
    [
      'a malformed record',
      Buffer.concat([rawHeader({ flag: 'x', size: octal(9) }), padded('99 a=b\n99')]),
      /malformed/,
    ],
    [
      'a record with a signed length',
      Buffer.concat([rawHeader({ flag: 'x', size: octal(7) }), padded('+7 a=b\n')]),
      /malformed/,
    ],
    [
      'a record without a key',
      Buffer.concat([rawHeader({ flag: 'x', size: octal(5) }), padded('5 =b\n')]),
      /malformed/,
    ],
    [
      'two extended headers',
      Buffer.concat([paxHeader(['path=a']), paxHeader(['path=b']), rawHeader({})]),
      /two extended/,
    ],
    [
      'two kinds of long name',
      Buffer.concat([paxHeader(['path=a']), rawHeader({ flag: 'L', size: octal(2) }), padded('b\0'), rawHeader({})]),
      /two kinds/,
    ],
    ['a global path', paxHeader(['path=/etc/passwd'], 'g'), /global extended header sets path/],
    ['global xattrs', paxHeader(['SCHILY.xattr.user.x=y'], 'g'), /global/],
    ['an extended header of 2 MiB', rawHeader({ flag: 'x', size: octal(2 << 20) }), /more than/],
    ['a long name of 2 MiB', rawHeader({ flag: 'L', size: octal(2 << 20) }), /more than/],
    ['an extended header at the end', Buffer.concat([paxHeader(['path=a']), TRAILER]), /ends after/],
    ['a folder with bytes', rawHeader({ flag: '5', size: octal(10) }), /no regular file/],
    ['a symlink with bytes', rawHeader({ flag: '2', target: 'x', size: octal(10) }), /no regular file/],
    ['a link without a target', rawHeader({ flag: '1' }), /no target/],
    ['an entry without a name', rawHeader({ name: '\0' }), /no name/],
    ['a regular file that is named as a folder', rawHeader({ name: 'a/' }), /named as a folder/],
    ['an unknown type', rawHeader({ flag: 'Q' }), /not supported/],
    ['a part of a multi-volume archive', rawHeader({ flag: 'M' }), /not supported/],
    ['a device without numbers', rawHeader({ flag: '3', major: 'zz' }), /major is no number/],
    ['a header after a block of zeros', Buffer.concat([Buffer.alloc(512), rawHeader({})]), /follows on/],
    ['a sparse map with overlaps', sparse10('2\n0\n10\n5\n10\n'), /not in order/],
    ['a sparse map beyond the file', sparse10('1\n995\n10\n'), /exceeds|not in order/],
    ['a sparse map for other bytes', sparse10('1\n0\n10\n'), /10 bytes, the archive 0/],
    ['a sparse map of a billion segments', sparse10('1000000000\n'), /more than/],
    ['a sparse map that does not end', sparse10('9'.repeat(512)), /no number/],
    ['a sparse map longer than the file', sparse10(`999\n${'0\n'.repeat(254)}`), /cut off/],
    [
      'an odd sparse map',
      Buffer.concat([paxHeader(['GNU.sparse.map=1,2,3', 'GNU.sparse.size=10']), rawHeader({})]),
      /cut off/,
    ],
    [
      'a sparse map without a size',
      Buffer.concat([paxHeader(['GNU.sparse.map=1,2']), rawHeader({})]),
      /GNU.sparse.size/,
    ],
    [
      'an unknown sparse version',
      Buffer.concat([paxHeader([...MAP_10, 'GNU.sparse.major=2']), rawHeader({})]),
      /sparse format 2/,
    ],
  ])('%s', (_name, archive, problem) => {
    for (const size of [archive.length, 100]) {
      expect(() => readArchive(archive, size)).toThrow(problem);
      expect(() => readArchive(archive, size)).toThrow(expect.objectContaining({ code: 'SLIPWAY_TAR_INVALID' }));
    }
  });

  it('archives that are cut off anywhere but between entries', () => {
    const ends = [0, whole.length - 1024, whole.length - 512, whole.length];
    for (let length = 1; length < whole.length; length += 13)
      if (!ends.includes(length))
        expect(() => readArchive(whole.subarray(0, length)), `${length}`).toThrow(/cut off|ends after/);
  });
});

describe('TarReader on an archive of very many entries', () => {
  it('stops after two million', () => {
    let entries = 0;
    const count = () => void entries++;
    const visitor = { entry: count, data: () => {}, hole: () => {}, entryEnd: () => {} };
    const reader = new TarReader('many.tar', visitor);
    const chunk = Buffer.concat(Array.from({ length: 10_000 }, () => rawHeader({})));
    const readAll = () => {
      for (let round = 0; round <= 200; round++) reader.write(chunk);
    };
    expect(readAll).toThrow(expect.objectContaining({ code: 'SLIPWAY_ARCHIVE_TOO_LARGE' }));
    expect(entries).toBe(2_000_000);
  });
});

describe('TarReader on damaged archives', () => {
  it('ends with entries or its own error, whatever bytes change', () => {
    let state = 42;
    const next = (below: number) => {
      state = (Math.imul(state, 1103515245) + 12345) & 0x7fffffff;
      return (state >> 8) % below;
    };
    for (let round = 0; round < 3000; round++) {
      const damaged = Buffer.from(whole);
      for (let change = 0; change <= next(4); change++) damaged[next(damaged.length)] = next(256);
      try {
        readArchive(damaged, 1 + next(1500));
      } catch (error) {
        expect(error).toMatchObject({ code: 'SLIPWAY_TAR_INVALID' });
      }
    }
  });
});
