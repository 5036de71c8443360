import type { BytePath } from '../../src/core/byte-path.ts';
import { archiveOf, item, octal, padded, paxHeader, rawHeader, TRAILER } from '../cache/tar/archives.ts';
import { WAYS, type Way } from './apply-archive.ts';

/** An archive that is after a folder of the host, whose absolute path it is made for. */
export interface Attack {
  readonly name: string;
  readonly archive: (victim: string) => Buffer;
  /** By whom it is refused; whoever does not refuse it makes it harmless. */
  readonly refusedBy: readonly Way[];
  /** By whom it is refused as well where an ordinary user builds. */
  readonly refusedWithoutRoot?: readonly Way[];
  /** What everybody else makes of it; each way has these paths and what else it likes. */
  readonly makes?: readonly string[];
}

const target = (to: string) => ({ target: to as BytePath });
const dir = (path: string, more = {}) => item({ path, type: 'dir', mode: 0o755, ...more });
const file = (path: string, text = 'written', more = {}) => item({ path, ...more }, text);
const symlink = (path: string, to: string) => item({ path, type: 'symlink', mode: 0o777, ...target(to) });
const hardlink = (path: string, to: string) => item({ path, type: 'hardlink', ...target(to) });
/** `cap_setuid=ep`, version 2 (linux/capability.h). */
const CAPABILITY = '\x01\0\0\x02\x80\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0';
const up = '../'.repeat(40);
const below = (victim: string) => victim.slice(1);

const AS_LAYER: readonly Way[] = ['base layer', 'base layer of a registry'];
/** ADD copies as a file what is no archive from its start. */
const NOT_COPIED: readonly Way[] = [...AS_LAYER, 'context on standard input'];

export const ATTACKS: readonly Attack[] = [
  {
    name: 'CVE-2026-23745: a hard link to an absolute path',
    archive: (victim) => archiveOf([hardlink('stolen', `${victim}/file`)]),
    refusedBy: WAYS,
  },
  {
    name: 'CVE-2026-23745: a file below a symlink to an absolute path',
    archive: (victim) => archiveOf([symlink('out', victim), file('out/file'), file('out/new')]),
    refusedBy: [],
  },
  {
    name: 'GHSA-34x7-hfp2-rc4v: a hard link that climbs',
    archive: (victim) => archiveOf([hardlink('stolen', `${up}${below(victim)}/file`)]),
    refusedBy: WAYS,
  },
  {
    name: 'GHSA-fxhp-mv3v-67qp: a hard link to a file of the folder that the builder was started in',
    archive: () => archiveOf([hardlink('stolen', 'package.json'), hardlink('stolen2', './package.json')]),
    refusedBy: WAYS,
  },
  {
    name: 'CVE-2026-26960: a hard link through a chain of symlinks',
    archive: (victim) =>
      archiveOf([
        dir('a/b/c'),
        symlink('a/b/c/up', '../..'),
        symlink('a/b/escape', `c/up/../../${up}${below(victim)}`),
        hardlink('stolen', 'a/b/escape/file'),
      ]),
    refusedBy: WAYS,
  },
  {
    name: 'GHSA-m37j-52j7-pjw7: a file through links that are inside by their text and outside for the kernel',
    archive: (victim) =>
      archiveOf([
        dir('a/b/c'),
        symlink('a/b/c/up', '../..'),
        symlink('a/b/escape', `c/up/../../../../../../../../../../..${victim}`),
        file('a/b/escape/file'),
        file('a/b/escape/new'),
      ]),
    refusedBy: [],
  },
  {
    name: 'CVE-2026-28406: a name that climbs out',
    archive: (victim) => archiveOf([file(`${up}${below(victim)}/file`), file('../outside')]),
    refusedBy: ['ADD source', 'context on standard input'],
  },
  {
    name: 'GHSA-qffp-2rhf-9h96: a root behind which it climbs',
    archive: (victim) => archiveOf([file(`/..//../..${victim}/new`), file('/..//top')]),
    refusedBy: [],
    makes: ['-644 top'],
  },
  {
    name: 'GHSA-9ppj-qmqm-q256: a drive is a name as any other',
    archive: () => archiveOf([file('c:../x'), file('c:\\x')]),
    refusedBy: [],
    makes: ['-644 c:\\x'],
  },
  {
    name: 'GHSA-r6q2-hw4h-h46w: names that a Unicode normalisation would make one',
    archive: (victim) =>
      archiveOf([
        symlink('caf\xc3\xa9', victim),
        dir('cafe\xcc\x81'),
        file('cafe\xcc\x81/new'),
        file('\xef\xac\x81'),
        file('fi'),
      ]),
    refusedBy: [],
    makes: ['-644 cafe\xcc\x81/new', '-644 fi', '-644 \xef\xac\x81'],
  },
  {
    name: 'CVE-2021-37701: a folder, then a symlink of its name, then a file below',
    archive: (victim) => archiveOf([dir('d'), symlink('d', victim), file('d/file'), file('d/new')]),
    refusedBy: [],
  },
  {
    name: 'CVE-2021-32803: a symlink, then a folder of its name, then a file below',
    archive: (victim) => archiveOf([symlink('d', victim), dir('d'), file('d/file')]),
    refusedBy: [],
    makes: ['-644 d/file'],
  },
  {
    name: 'CVE-2021-37712: a folder that becomes a symlink, a folder again and a symlink again',
    archive: (victim) =>
      archiveOf([
        dir('d'),
        file('d/a'),
        symlink('d', victim),
        dir('d'),
        file('d/b'),
        symlink('d', victim),
        file('d/new'),
      ]),
    refusedBy: [],
  },
  {
    name: 'CVE-2021-32804: absolute paths with many slashes',
    archive: (victim) => archiveOf([file(`////${victim}/new`), file('//////in')]),
    refusedBy: [],
    makes: ['-644 in'],
  },
  {
    name: 'CVE-2019-14271: files in the place of what a resolver reads',
    archive: () => archiveOf([symlink('etc', '/proc/self'), file('etc/passwd'), symlink('proc', '/proc')]),
    refusedBy: [],
  },
  {
    name: 'a symlink at the end that would be written through, chmodded and linked',
    archive: (victim) =>
      archiveOf([
        symlink('f', `${victim}/file`),
        file('f', 'new', { mode: 0o4777 }),
        symlink('e', `${victim}/empty-folder`),
        dir('e', { mode: 0o777, uid: 5 }),
        symlink('l', `${victim}/file`),
        hardlink('l2', 'l'),
      ]),
    refusedBy: [],
  },
  {
    name: 'an entry for the root that is no folder',
    archive: (victim) => archiveOf([symlink('.', victim), file('x')]),
    refusedBy: WAYS,
  },
  {
    name: 'a hard link to itself, and one that replaces the folder of its target',
    archive: () => archiveOf([dir('d'), file('d/f'), hardlink('d', 'd/f')]),
    refusedBy: WAYS,
  },
  {
    name: 'symlinks in a loop before a name',
    archive: () => archiveOf([symlink('a', 'b'), symlink('b', 'a'), file('a/x')]),
    refusedBy: WAYS,
  },
  {
    name: 'OCI whiteouts of no name, of the folder and of its parent',
    archive: () => archiveOf([file('.wh.', ''), file('d/.wh..', ''), file('d/.wh...', '')]),
    refusedBy: WAYS,
  },
  {
    name: 'an OCI whiteout with a path for a name',
    archive: (victim) => archiveOf([file(`.wh.a/../..${victim}/file`, ''), file(`lower/.wh.a/${up}x`, '')]),
    refusedBy: ['ADD source', 'context on standard input'],
  },
  {
    name: 'whiteouts and an opaque mark below a symlink',
    archive: (victim) => archiveOf([symlink('out', victim), file('out/.wh.file', ''), file('out/.wh..wh..opq', '')]),
    refusedBy: ['ADD source', 'context on standard input'],
  },
  {
    name: 'an opaque mark on a symlink to a folder of the image, and marks of aufs',
    archive: () => archiveOf([symlink('s', 'lower'), file('s/.wh..wh..opq', ''), file('.wh..wh.aufs', '')]),
    refusedBy: ['ADD source', 'context on standard input'],
  },
  {
    name: 'attributes of overlayfs, which mean folders of the host',
    archive: (victim) =>
      archiveOf(
        ['user', 'trusted'].flatMap((space) => [
          dir(`${space}-d`, {
            xattrs: new Map([
              [`${space}.overlay.redirect`, victim],
              [`${space}.overlay.opaque`, 'y'],
              [`${space}.overlay.metacopy`, ''],
              [`${space}.overlay.origin`, 'x'],
            ]),
          }),
        ]),
      ),
    refusedBy: [],
    makes: ['d755 trusted-d/', 'd755 user-d/'],
  },
  {
    name: 'a character device 0:0, which overlayfs takes for a whiteout',
    archive: () => archiveOf([item({ path: 'lower/file', type: 'char', device: { major: 0, minor: 0 } })]),
    refusedBy: [],
  },
  {
    name: 'the disk of the host as a device',
    archive: () => archiveOf([item({ path: 'disk', type: 'block', device: { major: 8, minor: 0 } })]),
    refusedBy: [],
    // It is harmless in the image; nobody could make it in the folder of an output.
    refusedWithoutRoot: WAYS,
  },
  {
    name: 'a fifo that nobody writes to',
    archive: () => archiveOf([item({ path: 'etc/passwd', type: 'fifo' }), item({ path: 'f', type: 'fifo' })]),
    refusedBy: [],
    makes: ['p644 f'],
  },
  {
    name: 'programs that run as their owner, and one with capabilities',
    archive: () =>
      archiveOf([
        file('setuid', '', { mode: 0o6755, uid: 0 }),
        file('capable', '', { mode: 0o755, xattrs: new Map([['security.capability', CAPABILITY]]) }),
        file('acl', '', { xattrs: new Map([['system.posix_acl_access', 'no list']]) }),
      ]),
    refusedBy: [],
  },
  {
    name: 'names with line breaks, control characters, all bytes, and of 255 bytes',
    archive: () =>
      archiveOf([file('new\nline'), file('\x1b[2J'), file('\xff\xfe'), file(' '), file('-rf'), file('n'.repeat(255))]),
    refusedBy: [],
    makes: ['-644 \xff\xfe', '-644 new\nline', '-644 -rf', `-644 ${'n'.repeat(255)}`],
  },
  {
    name: 'CVE-2024-28863: a path of a hundred thousand folders',
    archive: () => archiveOf([file(`${'a/'.repeat(100_000)}x`)]),
    refusedBy: WAYS,
  },
  {
    name: 'a path that symlinks make longer and longer',
    archive: () => {
      const long = `${'d'.repeat(200)}/`.repeat(18);
      return archiveOf([symlink('s', long), file(`s/${long}x`)]);
    },
    refusedBy: WAYS,
  },
  {
    name: 'a thousand entries of one name',
    archive: (victim) =>
      archiveOf(
        Array.from({ length: 999 }, (_, at) => [dir('x'), symlink('x', victim), file('x')][at % 3] ?? dir('x')),
      ),
    refusedBy: [],
    makes: ['-644 x'],
  },
  {
    name: 'a hard link of many names, one of which is replaced',
    archive: (victim) =>
      archiveOf([file('a'), hardlink('b', 'a'), hardlink('c', 'b'), symlink('b', `${victim}/file`), file('b', 'new')]),
    refusedBy: [],
    makes: ['-644 a', '-644 b', '-644 c'],
  },
  {
    name: 'times before 1970 and far in the future',
    archive: () => archiveOf([file('old', '', { mtime: -1_000_000 }), file('new', '', { mtime: 2 ** 40 })]),
    refusedBy: [],
    makes: ['-644 new', '-644 old'],
  },
  {
    name: 'GHSA-8x88-c5mf-7j5w: a negative size',
    archive: () => Buffer.concat([rawHeader({ size: Buffer.alloc(12, 0xff) }), TRAILER]),
    refusedBy: NOT_COPIED,
  },
  {
    name: 'GHSA-gvwx-54wh-qm9j: a NUL in the path of an extended header',
    archive: (victim) => Buffer.concat([paxHeader([`path=harmless\0${victim}/file`]), rawHeader({}), TRAILER]),
    refusedBy: NOT_COPIED,
  },
  {
    name: 'commit 21a8220: an extended header for an extended header',
    archive: () => {
      const inner = paxHeader(['path=smuggled']);
      const sized = paxHeader([`size=${inner.length}`]);
      return Buffer.concat([sized, inner, rawHeader({ size: octal(0) }), TRAILER]);
    },
    refusedBy: NOT_COPIED,
  },
  {
    name: 'commit e02a4e9: paths that are numbers',
    archive: () =>
      Buffer.concat([
        paxHeader(['path=0123']),
        rawHeader({}),
        paxHeader(['linkpath=1e3']),
        rawHeader({ name: 'link', flag: '2' }),
        TRAILER,
      ]),
    refusedBy: [],
    makes: ['-644 0123', 'l link -> 1e3'],
  },
  {
    name: 'a size in the extended header that hides an entry from other readers',
    archive: () => {
      const hidden = Buffer.concat([rawHeader({ name: 'hidden' })]);
      return Buffer.concat([paxHeader(['size=512']), rawHeader({ name: 'shown', size: octal(0) }), hidden, TRAILER]);
    },
    refusedBy: [],
    makes: ['-644 shown'],
  },
  {
    name: 'an extended header of more than a mebibyte',
    archive: () => Buffer.concat([paxHeader([`SCHILY.xattr.user.big=${'x'.repeat(1 << 20)}`]), rawHeader({}), TRAILER]),
    refusedBy: NOT_COPIED,
  },
  {
    name: 'an owner that no system has',
    archive: () => Buffer.concat([rawHeader({ uid: Buffer.from([0x80, 0, 0, 0, 0xff, 0xff, 0xff, 0xff]) }), TRAILER]),
    refusedBy: NOT_COPIED,
  },
  {
    name: 'an owner beyond all that an ordinary user has',
    archive: () => archiveOf([file('theirs', '', { uid: 4_000_000_000, gid: 4_000_000_000 })]),
    refusedBy: [],
    refusedWithoutRoot: AS_LAYER,
  },
  {
    name: 'GHSA-29xp-372q-xqph: an archive that is cut off in the middle of a file',
    archive: () => Buffer.concat([rawHeader({ size: octal(10_000) }), Buffer.alloc(600, 'x')]),
    refusedBy: WAYS,
  },
  {
    name: 'a sparse file of eight exbibytes',
    archive: () =>
      Buffer.concat([
        paxHeader(['GNU.sparse.map=', 'GNU.sparse.size=9007199254740991', 'GNU.sparse.name=f']),
        rawHeader({}),
        TRAILER,
      ]),
    refusedBy: WAYS,
  },
  {
    name: 'a type of entry that nobody knows',
    archive: () => Buffer.concat([rawHeader({ flag: 'D', size: octal(3) }), padded('abc'), TRAILER]),
    refusedBy: NOT_COPIED,
  },
];
