import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { list } from 'tar';
import { afterAll, describe, expect, it } from 'vitest';
import type { BytePath } from '../../../src/core/byte-path.ts';
import { digestOf } from '../../../src/core/digest.ts';
import { archiveOf, item, readArchive } from './archives.ts';

const folder = mkdtempSync(join(tmpdir(), 'slipway-test-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const LONG = `${'deep/'.repeat(30)}${'n'.repeat(120)}`;
const utf8 = (text: string) => Buffer.from(text).toString('latin1');
const target = (text: string) => ({ target: text as BytePath });

const ITEMS = [
  item({ path: 'bin', type: 'dir', mode: 0o755 }),
  item(
    { path: 'bin/su', mode: 0o4755, xattrs: new Map([['security.capability', '\x01\x00\x00\x02\n=\xff']]) },
    'program',
  ),
  item({ path: 'bin/sh', type: 'symlink', mode: 0o777, ...target('su') }),
  item({ path: 'bin/sudo', type: 'hardlink', mode: 0o4755, ...target('bin/su') }),
  item({ path: 'dev-null', type: 'char', mode: 0o666, device: { major: 1, minor: 3 } }),
  item({ path: 'dev-sda', type: 'block', mode: 0o660, gid: 6, device: { major: 8, minor: 0 } }),
  item({ path: 'fifo', type: 'fifo', mode: 0o600 }),
  item({ path: 'empty' }),
  item({ path: 'block', uid: 1000, gid: 1000 }, 'x'.repeat(512)),
  item({ path: `${'p'.repeat(99)}/${'n'.repeat(99)}` }, 'prefix'),
  item({ path: LONG }, 'long'),
  item({ path: `${LONG}-link`, type: 'symlink', ...target(LONG) }),
  item({ path: utf8('grüße'), type: 'dir', mode: 0o755 }),
  item({ path: utf8('grüße/日本'), mtime: -1 }, 'text'),
  item({ path: 'large-ids', uid: 4_000_000_000, gid: 3_000_000, mtime: 8 ** 11 }, 'ids'),
];
const archive = archiveOf(ITEMS);
writeFileSync(join(folder, 'a.tar'), archive);

describe('writeTar', () => {
  it('is read back as it was written, in pieces of any size', () => {
    const expected = ITEMS.map(({ entry }) => ({
      ...entry,
      path: entry.type === 'dir' ? `${entry.path}/` : entry.path,
    }));
    for (const size of [archive.length, 512, 1000, 7])
      expect(readArchive(archive, size).map(({ bytes: _bytes, ...entry }) => entry)).toEqual(expected);
    expect(readArchive(archive).find(({ path }) => path === 'bin/su')?.bytes).toBe('program');
    expect(readArchive(archive).find(({ path }) => path === 'block')?.bytes).toBe('x'.repeat(512));
  });

  it('writes the same bytes whatever the size of its chunks', () => {
    for (const size of [512, 1024, 10_240]) expect(archiveOf(ITEMS, size).equals(archive)).toBe(true);
  });

  it('writes these very bytes, on every machine and in every release', () => {
    expect(digestOf(archive)).toBe('sha256:1378193207f8592bb4457c530d1cba508fc5a61cf9f75cb124cad0880c51c6bd');
  });

  it('is what GNU tar reads', (context) => {
    if (spawnSync('tar', ['--version']).status !== 0) context.skip('no tar on this machine');
    const lines = execFileSync('tar', ['tvf', join(folder, 'a.tar'), '--numeric-owner', '--quoting-style=literal'], {
      encoding: 'utf8',
      env: { ...process.env, TZ: 'UTC', LC_ALL: 'C.UTF-8' },
    }).split('\n');
    expect(lines[0]).toMatch(/^drwxr-xr-x 0\/0 +0 2020-09-13 12:26 bin\/$/);
    expect(lines[1]).toMatch(/^-rwsr-xr-x\*? 0\/0 +7 .* bin\/su$/);
    expect(lines[2]).toMatch(/^lrwxrwxrwx .* bin\/sh -> su$/);
    expect(lines[3]).toMatch(/^hrwsr-xr-x .* bin\/sudo link to bin\/su$/);
    expect(lines[4]).toMatch(/^crw-rw-rw- 0\/0 +1,3 .* dev-null$/);
    expect(lines[10]).toContain(LONG);
    expect(lines[13]).toMatch(/1969-12-31 23:59 grüße\/日本$/);
    expect(lines[14]).toMatch(/4000000000\/3000000 +3 2242-/);
  });

  it('is what the tar package reads', async () => {
    const paths: string[] = [];
    await list({ file: join(folder, 'a.tar'), strict: true, onReadEntry: (entry) => void paths.push(entry.path) });
    const expected = ITEMS.map(({ entry }) =>
      Buffer.from(entry.type === 'dir' ? `${entry.path}/` : entry.path, 'latin1'),
    );
    expect(paths).toEqual(expected.map((path) => path.toString('utf8')));
  });

  it("is what Python's tarfile reads", (context) => {
    const script = `
import sys, tarfile, json
print(json.dumps([[m.name, m.type.decode(), m.size, m.mode, m.uid, m.gid, int(m.mtime), m.linkname, m.devmajor, m.devminor]
                  for m in tarfile.open(sys.argv[1]).getmembers()]))`;
    const run = spawnSync('python3', ['-c', script, join(folder, 'a.tar')], { encoding: 'utf8' });
    if (run.error !== undefined) context.skip('no python3 on this machine');
    expect(run.stderr).toBe('');
    const flags = { file: '0', hardlink: '1', symlink: '2', char: '3', block: '4', dir: '5', fifo: '6' };
    const text = (bytes: string) => Buffer.from(bytes, 'latin1').toString('utf8');
    expect(JSON.parse(run.stdout)).toEqual(
      ITEMS.map(({ entry }) => [
        text(entry.path),
        flags[entry.type],
        entry.size,
        entry.mode,
        entry.uid,
        entry.gid,
        entry.mtime,
        text(entry.target ?? ''),
        entry.device?.major ?? 0,
        entry.device?.minor ?? 0,
      ]),
    );
  });
});
