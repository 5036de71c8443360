import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { gzipSync, zstdCompressSync } from 'node:zlib';
import { describe, expect, test } from 'vitest';
import { openFolderTree } from '../../../../src/context/folder-tree.ts';
import { hostPath, toBytePath } from '../../../../src/core/byte-path.ts';
import type { FileTree } from '../../../../src/core/file-tree.ts';
import { compileIgnorePatterns } from '../../../../src/core/ignore-patterns.ts';
import { type TarSketch, tarOf } from '../../../rig/tar.ts';
import { temporaryFolder } from '../../../rig/temporary-folder.ts';
import { memoryTree } from './memory-tree.ts';
import { copyAction, layerOf } from './rig.ts';

const EMPTY = memoryTree({});

/** ADD of a file with these bytes to `destination`; content is shown as the bytes that were kept. */
async function added(bytes: Uint8Array, destination: string, root: FileTree = EMPTY, user?: string) {
  const folder = temporaryFolder('add');
  writeFileSync(join(folder, 'a.tar'), bytes);
  const source = openFolderTree(toBytePath(folder), compileIgnorePatterns([], '.dockerignore'));
  const action = copyAction('/a.tar', destination, {
    unpack: true,
    ...(user === undefined ? {} : { owner: { user } }),
  });
  const unpacked = join(folder, 'unpacked');
  const { lines, entries } = await layerOf(root, source, [action], () => unpacked);
  const shown = lines.map((line) =>
    line.replace(/from (\S+)/, (_all, path: string) =>
      JSON.stringify(readFileSync(hostPath(toBytePath(path)), 'latin1')),
    ),
  );
  return { lines: shown, entries, isKept: existsSync(unpacked) };
}

const ONE: TarSketch = { path: 'p/f', text: 'x' };
const ONE_UNPACKED = ['/o dir 0755 0:0 new', '/o/p dir 0755 0:0 new', '/o/p/f file 0644 0:0 "x"'];

describe('ADD of an archive', () => {
  test.each([
    ['tar', (tar: Buffer) => tar],
    ['gzip', gzipSync],
    ['zstd', zstdCompressSync],
    ['bzip2', (tar: Buffer) => execFileSync('bzip2', ['-c'], { input: tar })],
    ['xz', (tar: Buffer) => execFileSync('xz', ['-c'], { input: tar })],
  ] as const)('unpacks %s, by its first bytes and not by its name', async (name, pack) => {
    const found = await added(pack(tarOf(ONE)), '/o/');
    expect(found.lines, name).toEqual(ONE_UNPACKED);
  });

  test('makes the destination a folder, also without a slash', async () => {
    expect((await added(tarOf(ONE), '/o')).lines).toEqual(ONE_UNPACKED);
  });

  test('keeps owners, or gives everything that the archive has to --chown, not folders it implies', async () => {
    const tar = tarOf({ path: 'in/', mode: 0o711, uid: 5, gid: 5 }, { ...ONE, uid: 3, gid: 3, mode: 0o600 });
    expect((await added(tar, '/o')).lines.slice(1)).toEqual([
      '/o/in dir 0711 5:5',
      '/o/p dir 0755 0:0 new',
      '/o/p/f file 0600 3:3 "x"',
    ]);
    expect((await added(tar, '/o', EMPTY, '9')).lines).toEqual([
      '/o dir 0755 9:9 new',
      '/o/in dir 0711 9:9',
      '/o/p dir 0755 0:0 new',
      '/o/p/f file 0600 9:9 "x"',
    ]);
  });

  test('leaves the destination’s attributes alone for an entry "./"', async () => {
    const root = memoryTree({ 'have/': { mode: 0o710, uid: 1 } });
    const tar = tarOf({ path: './', mode: 0o700, uid: 4 }, { path: './f', text: 'x' });
    expect((await added(tar, '/have', root)).lines[0]).toBe('/have dir 0710 1:0');
  });

  test('merges folders and gives them the archive’s attributes; other things replace each other', async () => {
    const root = memoryTree({
      'x/d/': { uid: 1 },
      'x/d/old': {},
      'x/thing/': {},
      'x/thing/old': {},
      'x/bin': '-> usr/bin',
    });
    const tar = tarOf(
      { path: 'd/', mode: 0o700 },
      { path: 'thing', text: 't' },
      { path: 'bin/' },
      { path: 'bin/tool', text: 'b' },
    );
    expect((await added(tar, '/x', root)).lines).toEqual([
      '/x dir 0755 0:0',
      '/x/bin dir 0755 0:0',
      '/x/bin/tool file 0644 0:0 "b"',
      '/x/d dir 0700 0:0',
      '/x/thing file 0644 0:0 "t"',
    ]);
  });

  test('follows symlinks in front of a name with the destination as the root', async () => {
    const root = memoryTree({ 'y/usr/bin/': {}, 'y/bin': '-> /usr/bin', 'usr/bin/': {} });
    expect((await added(tarOf({ path: 'bin/tool', text: 'b' }), '/y', root)).lines.at(-1)).toBe(
      '/y/usr/bin/tool file 0644 0:0 "b"',
    );
  });

  test('makes a folder that replaced another one in the same archive hide what was in it', async () => {
    const root = memoryTree({ 'x/d/': {}, 'x/d/old': {} });
    const tar = tarOf({ path: 'd', text: 'file' }, { path: 'd/' }, { path: 'd/new', text: 'n' });
    expect((await added(tar, '/x', root)).lines).toEqual([
      '/x dir 0755 0:0',
      '/x/d dir 0755 0:0 opaque',
      '/x/d/new file 0644 0:0 "n"',
    ]);
  });

  test('keeps hard links, symlinks, devices, fifos and capabilities', async () => {
    const tar = tarOf(
      {
        path: 'a',
        text: 'x',
        xattrs: new Map([
          ['security.capability', 'c'],
          ['trusted.overlay.opaque', 'y'],
        ]),
      },
      { path: 'b', type: 'hardlink', target: 'a' },
      { path: 'l', type: 'symlink', target: '/etc/passwd' },
      { path: 'null', type: 'char', device: { major: 1, minor: 3 } },
      { path: 'pipe', type: 'fifo', mode: 0o600 },
    );
    const { lines } = await added(tar, '/');
    expect(lines).toEqual([
      '/a file 0644 0:0 "x"',
      '/b file 0644 0:0 = /a',
      '/l symlink 0777 0:0 -> /etc/passwd',
      '/null char 0644 0:0',
      '/pipe fifo 0600 0:0',
    ]);
  });

  test('gives a file the attributes of its later hard links, and a symlink only their owner', async () => {
    const named = (name: string) => new Map([[name, '1']]);
    const tar = tarOf(
      { path: 'a', text: 'x', mode: 0o600, mtime: 1, xattrs: named('user.a') },
      { path: 'b', type: 'hardlink', target: 'a', mode: 0o4711, uid: 7, gid: 8, mtime: 2, xattrs: named('user.b') },
      { path: 'p', text: 'x', xattrs: named('security.capability') },
      { path: 'q', type: 'hardlink', target: 'p' },
      { path: 's', type: 'symlink', target: 'a', mtime: 1 },
      { path: 't', type: 'hardlink', target: 's', mode: 0o600, uid: 7, mtime: 2 },
    );
    const { lines, entries } = await added(tar, '/');
    expect(lines).toEqual([
      '/a file 4711 7:8 "x"',
      '/b file 4711 7:8 = /a',
      '/p file 0644 0:0 "x"',
      '/q file 0644 0:0 = /p',
      '/s symlink 0777 7:0 -> a',
      '/t symlink 0777 7:0 -> a = /s',
    ]);
    const files = entries.map(({ change }) => (change.kind === 'present' ? change.file : undefined));
    expect(files.map((file) => file?.mtime)).toEqual([2, 2, 1_000_000_000, 1_000_000_000, 1, 1]);
    expect(files.map((file) => [...(file?.xattrs?.keys() ?? [])].join())).toEqual([
      'user.a,user.b',
      'user.a,user.b',
      '',
      '',
      '',
      '',
    ]);
  });
});

describe('ADD of a file that is no archive', () => {
  test.each([
    ['text', Buffer.from('just text')],
    ['nothing', Buffer.alloc(0)],
    ['zeros', Buffer.alloc(1024)],
    ['300 letters', Buffer.alloc(300, 'A')],
    ['1000 letters', Buffer.alloc(1000, 'A')],
    ['a packed file', gzipSync('single packed file')],
    ['the start of gzip', Buffer.from([0x1f, 0x8b, 8])],
    ['an archive cut in its first header', tarOf(ONE).subarray(0, 200)],
  ])('copies %s', async (_name, bytes) => {
    const { lines, isKept } = await added(bytes, '/o/');
    expect(lines).toEqual(['/o dir 0755 0:0 new', expect.stringMatching(/^\/o\/a\.tar file /)]);
    expect(isKept).toBe(false);
  });
});

describe('a hostile or broken archive', () => {
  test.each([
    ['a name above the destination', [{ path: '../../evil', text: 'e' }], 'SLIPWAY_ARCHIVE_ESCAPES'],
    ['a name that climbs back out', [{ path: 'a/../../evil', text: 'e' }], 'SLIPWAY_ARCHIVE_ESCAPES'],
    ['a hard link above it', [{ path: 'b', type: 'hardlink', target: '../../etc/passwd' }], 'SLIPWAY_ARCHIVE_ESCAPES'],
    ['a hard link to nothing', [{ path: 'b', type: 'hardlink', target: 'a' }], 'SLIPWAY_ARCHIVE_INVALID'],
    [
      'a hard link to a folder',
      [{ path: 'd/' }, { path: 'b', type: 'hardlink', target: 'd' }],
      'SLIPWAY_ARCHIVE_INVALID',
    ],
    [
      'a loop of symlinks',
      [
        { path: 'l', type: 'symlink', target: 'l' },
        { path: 'l/f', text: 'x' },
      ],
      'SLIPWAY_COPY_SYMLINK_LOOP',
    ],
    [
      'a file below a file',
      [
        { path: 'f', text: 'x' },
        { path: 'f/g', text: 'x' },
      ],
      'SLIPWAY_COPY_CONFLICT',
    ],
  ] as const)('is refused: %s', async (_name, entries, code) => {
    await expect(added(tarOf({ path: 'first', text: '1' }, ...entries), '/o/')).rejects.toMatchObject({ code });
  });

  test('stays inside with symlinks that lead out, and with absolute names', async () => {
    const tar = tarOf(
      { path: 'up', type: 'symlink', target: '../../..' },
      { path: 'up/f', text: 'x' },
      { path: '/lead/../../g', text: 'y' },
    );
    const { lines } = await added(tar, '/o/');
    expect(lines).toEqual([
      '/o dir 0755 0:0 new',
      '/o/f file 0644 0:0 "x"',
      '/o/g file 0644 0:0 "y"',
      '/o/up symlink 0777 0:0 -> ../../..',
    ]);
  });

  test('is an error where it breaks off after the first entry', async () => {
    await expect(added(tarOf(ONE).subarray(0, 700), '/o/')).rejects.toMatchObject({ code: 'SLIPWAY_TAR_INVALID' });
    const packed = gzipSync(tarOf({ path: 'f', text: 'x'.repeat(100_000) }, ONE), { level: 0 });
    await expect(added(packed.subarray(0, 60_000), '/o/')).rejects.toMatchObject({ code: 'SLIPWAY_ARCHIVE_INVALID' });
  });
});
