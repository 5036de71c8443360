import { checksumOf } from '../../../cache/tar/tar-format.ts';
import { octal, padded, paxHeader, type RawHeader, rawHeader, TRAILER } from './archives.ts';

/** Numbers in [0, 1) that follow from the seed (mulberry32). */
export function randomNumbers(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

const NAMES = [
  'a',
  'b',
  'dir/',
  'dir/c',
  './d',
  'e/../f',
  '/abs',
  'x\\y',
  '\xc3\xa9',
  '\xff\xfe',
  'n'.repeat(99),
  'caf\xe9',
];
const LONG = ['l'.repeat(120), `${'deep/'.repeat(30)}end`, '\xe4'.repeat(70), 'q/'.repeat(60)];
const MAGICS = ['ustar\u000000', 'ustar  \0', '\0\0\0\0\0\0\0\0'];
const FLAGS = ['0', '0', '0', '\0', '7', '1', '2', '3', '4', '5', '6', 'V', 'D', 'M', 'X', 'A', ' '];
const RECORDS = [
  'path=from-pax',
  'path=',
  'linkpath=pax-target',
  'size=3',
  'size=512',
  'size=-1',
  'size=03',
  'mtime=12.5',
  'mtime=-7',
  'uid=70000000',
  'gid=9',
  'uname=someone',
  'comment=text',
  'GNU.sparse.major=1',
  'GNU.sparse.minor=0',
  'GNU.sparse.name=sparse',
  'GNU.sparse.realsize=1024',
  'GNU.sparse.size=1024',
  'GNU.sparse.map=0,3',
  'SCHILY.xattr.user.x=\0\xff',
];

type Random = () => number;

const pick = <Item>(random: Random, items: readonly Item[]): Item => items[Math.floor(random() * items.length)] as Item;

/** An archive of a few entries in all dialects, often broken in one place, the same for the same seed. */
export function randomArchive(seed: number): Buffer {
  const random = randomNumbers(seed);
  const parts: Buffer[] = [];
  for (let count = 1 + Math.floor(random() * 4); count > 0; count--) {
    if (random() < 0.25) parts.push(paxHeader(someRecords(random), random() < 0.85 ? 'x' : 'g'));
    if (random() < 0.12) parts.push(longText(random));
    if (random() < 0.04) parts.push(Buffer.alloc(512));
    parts.push(...entry(random));
  }
  if (random() < 0.9) parts.push(TRAILER);
  if (random() < 0.05) parts.push(Buffer.from('what follows on the end'));
  const archive = Buffer.concat(parts);
  if (random() < 0.4) damage(random, archive);
  return random() < 0.05 ? archive.subarray(0, Math.floor(random() * archive.length)) : archive;
}

function someRecords(random: Random): string[] {
  return Array.from({ length: 1 + Math.floor(random() * 3) }, () => pick(random, RECORDS));
}

function longText(random: Random): Buffer {
  const text = `${pick(random, LONG)}\0`;
  const flag = random() < 0.7 ? 'L' : 'K';
  const header = rawHeader({ name: '././@LongLink', flag, size: octal(text.length), magic: 'ustar  \0' });
  return Buffer.concat([header, padded(text)]);
}

function entry(random: Random): Buffer[] {
  const flag = pick(random, FLAGS);
  const isFile = flag === '0' || flag === '\0' || flag === '7' || random() < 0.1;
  const size = isFile ? Math.floor(random() * 1200) : 0;
  const magic = pick(random, MAGICS);
  const header: RawHeader = {
    name: pick(random, NAMES),
    flag,
    magic,
    size: number(random, size, 12),
    mtime: number(random, Math.floor(random() * 2 ** 33), 12),
    uid: number(random, Math.floor(random() * 70_000), 8),
    ...(flag === '1' || flag === '2' ? { target: pick(random, NAMES) } : {}),
    ...(magic === MAGICS[0] && random() < 0.1 ? { prefix: 'pre/fix' } : {}),
    ...(flag === '3' || flag === '4' ? { major: '0000001\0', minor: '0000003\0' } : {}),
  };
  return [rawHeader(header), padded(Buffer.alloc(size, String(seedText(random))))];
}

function seedText(random: Random): number {
  return 1 + Math.floor(random() * 1_000_000);
}

/** A number in one of the ways in which archives have it. */
function number(random: Random, value: number, width: number): string | Buffer {
  const way = random();
  if (way < 0.15) {
    const bytes = Buffer.alloc(width);
    bytes.writeUIntBE(value, width - 6, 6);
    bytes[0] = 0x80;
    return bytes;
  }
  if (way < 0.3) return `${value.toString(8).padStart(width - 2, ' ')} `;
  return `${value.toString(8).padStart(width - 1, '0')}\0`;
}

/** Changes some byte, nearly always in a header, whose checksum then mostly is right again. */
function damage(random: Random, archive: Buffer): void {
  const block = Math.floor((random() * archive.length) / 512) * 512;
  const place = block + Math.floor(random() * 512);
  if (place >= archive.length) return;
  archive[place] = pick(random, [0, 0x20, 0x2f, 0x30, 0x37, 0x80, 0xff, Math.floor(random() * 256)]);
  if (random() < 0.2 || block + 512 > archive.length) return;
  archive.write(`${checksumOf(archive, block).toString(8).padStart(6, '0')}\0 `, block + 148, 'latin1');
}
