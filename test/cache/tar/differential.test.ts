import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { SlipwayError } from '../../../src/core/errors.ts';
import { describeWhere, program } from '../../rig/requirements.ts';
import { readArchive } from './archives.ts';
import { randomArchive } from './random-archives.ts';

const SEED = Number(process.env.SLIPWAY_FUZZ_SEED ?? 1);
const COUNT = Number(process.env.SLIPWAY_FUZZ_COUNT ?? 1_000);

/** What a reader made of an archive: `type name size target`, names as bytes in latin1; and whether it took all of it. */
interface Reading {
  readonly isWhole: boolean;
  readonly entries: readonly string[];
}

const PYTHON = `
import hashlib, json, sys, tarfile
TYPES = {b'0': 'file', b'\\0': 'file', b'7': 'file', b'S': 'file', b'1': 'hardlink', b'2': 'symlink', b'3': 'char', b'4': 'block', b'5': 'dir', b'6': 'fifo'}
def text(name): return name.encode('utf-8', 'surrogateescape').decode('latin-1')
for line in sys.stdin:
    entries, whole = [], True
    try:
        with tarfile.open(line.strip(), 'r:', encoding='utf-8', errors='surrogateescape') as archive:
            for m in archive:
                if m.type == b'V': continue
                kind = TYPES.get(m.type, '?')
                bytes = archive.extractfile(m).read() if kind == 'file' else b''
                if kind == 'file' and len(bytes) != m.size: raise tarfile.ReadError('cut off')
                entries.append([kind, text(m.name), m.size if kind == 'file' else 0, text(m.linkname) if 'link' in kind else '', hashlib.sha256(bytes).hexdigest() if kind == 'file' else ''])
    except Exception as error:
        whole = False
    print(json.dumps([whole, entries]))
`;

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'slipway-fuzz-'));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const seeds = Array.from({ length: COUNT }, (_, at) => SEED * 1_000_000 + at);
const fileOf = (seed: number) => `${folder}/${seed}.tar`;
const withoutSlash = (name: string) => name.replace(/(?<=.)\/+$/, '');

function ours(archive: Buffer): Reading {
  try {
    const entries = readArchive(archive).map(({ type, path, size, target = '', bytes }) => {
      const digest = type === 'file' ? createHash('sha256').update(Buffer.from(bytes, 'latin1')).digest('hex') : '';
      return [type, withoutSlash(path), size, withoutSlash(target), digest].join(' ');
    });
    return { isWhole: true, entries };
  } catch (error) {
    if (!(error instanceof SlipwayError)) throw error;
    return { isWhole: false, entries: [] };
  }
}

function pythons(): Reading[] {
  const input = seeds.map(fileOf).join('\n');
  const { stdout, stderr } = spawnSync('python3', ['-c', PYTHON], { input, encoding: 'utf8', maxBuffer: 1 << 28 });
  expect(stderr).toBe('');
  return stdout
    .trim()
    .split('\n')
    .map((line) => {
      const [isWhole, entries] = JSON.parse(line) as [boolean, [string, string, number, string, string][]];
      const rows = entries.map(([type, name, size, target, digest]) =>
        [type, withoutSlash(name), size, withoutSlash(target), digest].join(' '),
      );
      return { isWhole, entries: rows };
    });
}

const GNU_TYPES: Readonly<Record<string, string>> = {
  '-': 'file',
  d: 'dir',
  l: 'symlink',
  h: 'hardlink',
  c: 'char',
  b: 'block',
  p: 'fifo',
  C: 'file',
};

/** GNU tar's listing; it has no content. */
function gnuTars(seed: number): Reading {
  const args = ['-tvP', '--quoting-style=escape', '--numeric-owner', '--full-time', '-f', fileOf(seed)];
  const { stdout, status } = spawnSync('tar', args, {
    encoding: 'latin1',
    env: { LC_ALL: 'C', TZ: 'UTC', PATH: process.env.PATH },
  });
  const entries = stdout.split('\n').flatMap((line) => {
    const found = /^(.)\S{9} +\d+\/\d+ +(\d+(?:,\d+)?) \S+ \S+ +(.*)$/.exec(line);
    if (found === null) return [];
    const [, letter = '', size = '', rest = ''] = found;
    if (rest.endsWith('--Volume Header--')) return [];
    const type = GNU_TYPES[letter] ?? '?';
    const arrow = type === 'symlink' ? ' -> ' : type === 'hardlink' ? ' link to ' : '\n';
    const [name = '', target = ''] = rest.split(arrow).map(unescaped);
    return [[type, withoutSlash(name), type === 'file' ? size : 0, withoutSlash(target)].join(' ').trimEnd()];
  });
  // Where it complains it goes on behind what it did not understand.
  return status === 0 ? { isWhole: true, entries } : { isWhole: false, entries: [] };
}

function unescaped(text: string): string {
  const letters: Readonly<Record<string, string>> = {
    n: '\n',
    t: '\t',
    r: '\r',
    b: '\b',
    f: '\f',
    v: '\v',
    a: '\x07',
    '\\': '\\',
    ' ': ' ',
  };
  return text.replace(/\\([0-7]{3}|.)/g, (_all, code: string) =>
    code.length === 3 ? String.fromCharCode(Number.parseInt(code, 8)) : (letters[code] ?? code),
  );
}

const withoutDigest = (row: string) => row.replace(/ [0-9a-f]{64}$/, '').trimEnd();

describeWhere('an archive of any bytes', [program('python3'), program('tar')], () => {
  let read: Reading[];
  beforeAll(() => {
    read = seeds.map((seed) => {
      const archive = randomArchive(seed);
      writeFileSync(fileOf(seed), archive);
      return ours(archive);
    });
  });

  /** Refused, or the same entries as another reader has; where that one gives up, what it had so far. */
  function differences(others: readonly Reading[], row: (text: string) => string): string[] {
    return read.flatMap(({ isWhole, entries }, at) => {
      const other = others[at];
      if (!isWhole || other === undefined) return [];
      const mine = entries.map(row);
      const theirs = other.entries.map(row);
      const compared = other.isWhole ? mine : mine.slice(0, theirs.length);
      return JSON.stringify(compared) === JSON.stringify(theirs)
        ? []
        : [`seed ${seeds[at]}: ${JSON.stringify({ ours: mine, theirs, whole: other.isWhole })}`];
    });
  }

  it('is refused, or has the entries that Python finds', () => {
    expect(differences(pythons(), (text) => text).join('\n')).toBe('');
  });

  it('is refused, or has the entries that GNU tar finds', () => {
    expect(differences(seeds.map(gnuTars), withoutDigest).join('\n')).toBe('');
  });

  it('is often taken: the comparison is not one of nothing', () => {
    expect(read.filter(({ isWhole }) => isWhole).length).toBeGreaterThan(COUNT / 10);
  });
});
