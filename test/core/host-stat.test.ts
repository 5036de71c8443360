import { execFileSync } from 'node:child_process';
import {
  closeSync,
  linkSync,
  lstatSync,
  mkdtempSync,
  openSync,
  rmSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type BytePath, toBytePath } from '../../src/core/byte-path.ts';
import { hostStatReader } from '../../src/core/host-stat-reader.ts';
import { syscalls } from '../../src/core/syscalls.ts';

describe('what is known of a file of this machine', () => {
  let folder = '';
  const at = (name: string) => toBytePath(`${folder}/${name}`);

  beforeAll(() => {
    folder = mkdtempSync(`${tmpdir()}/slipway-stat-`);
    writeFileSync(`${folder}/f`, 'four', { mode: 0o640 });
    writeFileSync(`${folder}/ünï`, '');
    symlinkSync('f', `${folder}/link`);
    linkSync(`${folder}/f`, `${folder}/same`);
    execFileSync('mkfifo', [`${folder}/pipe`]);
    execFileSync('touch', ['-d', '@1700000000.999999999', `${folder}/late`]);
    execFileSync('touch', ['-d', '@-1.25', `${folder}/early`]);
    utimesSync(`${folder}/ünï`, 5, 7);
  });

  afterAll(() => rmSync(folder, { recursive: true }));

  test.each(['', 'f', 'ünï', 'link', 'same', 'pipe', 'late', 'early'])('is the same by both calls: %j', (name) => {
    const byNode = hostStatReader()(at(name));
    expect(byNode).toEqual(syscalls().lstat(at(name)));
    expect(byNode?.mtimeMs).toBe(lstatSync(`${folder}/${name}`).mtimeMs);
  });

  test('is the same by both calls for a device', () => {
    expect(hostStatReader()('/dev/null' as BytePath)).toMatchObject({ type: 'char', device: { major: 1, minor: 3 } });
    expect(syscalls().lstat('/dev/null' as BytePath)).toMatchObject({ type: 'char', device: { major: 1, minor: 3 } });
  });

  test('is the same below a descriptor of its folder', () => {
    const descriptor = openSync(folder, 'r');
    try {
      for (const name of ['f', 'ünï', 'link']) {
        expect(syscalls().lstat(toBytePath(`/proc/self/fd/${descriptor}/${name}`))).toEqual(syscalls().lstat(at(name)));
      }
      expect(syscalls().lstat(toBytePath(`/proc/self/fd/${descriptor}/missing`))).toBeUndefined();
      expect(syscalls().lstat(toBytePath(`/proc/self/fd/${descriptor}/`))).toEqual(syscalls().lstat(at('')));
      expect(syscalls().lstat(toBytePath(`/proc/self/fd/${descriptor}`))?.type).toBe('symlink');
    } finally {
      closeSync(descriptor);
    }
  });

  test('has whole seconds that no rounding takes to the next', () => {
    const late = syscalls().lstat(at('late'));
    expect(late).toMatchObject({ mtime: 1_700_000_000, mtimeMs: 1_700_000_001_000 });
    expect(syscalls().lstat(at('early'))?.mtime).toBe(-2);
  });

  test('names the inode of a file with several names', () => {
    const read = hostStatReader();
    expect(read(at('f'))?.sharedInode).toBe(read(at('same'))?.sharedInode);
    expect(read(at('f'))?.sharedInode).toBeDefined();
    expect(read(at('late'))?.sharedInode).toBeUndefined();
  });

  test('is nothing for what is not there, and for a name with a NUL', () => {
    expect(syscalls().lstat(at('missing'))).toBeUndefined();
    expect(syscalls().lstat(at('f\0g'))).toBeUndefined();
    expect(() => syscalls().lstat(at('f/below'))).toThrow(/^ENOTDIR: lstat/);
  });

  test('goes on by the faster call after many files', () => {
    const read = hostStatReader();
    const first = read(at('f'));
    for (let count = 0; count < 2500; count++) expect(read(at('f'))).toEqual(first);
  });
});
