import { spawnSync } from 'node:child_process';
import { crc32, gzipSync, zstdCompressSync } from 'node:zlib';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { archiveOf, item, octal, paxHeader, rawHeader, TRAILER } from '../cache/tar/archives.ts';
import { describeWhere, describeWherePossible, type Requirement, root } from '../rig/requirements.ts';
import { WAYS } from './apply-archive.ts';
import { type HostileRig, openHostileRig } from './hostile-rig.ts';

const heavy: Requirement = () =>
  process.env.SLIPWAY_HEAVY === '1' ? undefined : 'takes minutes; run with SLIPWAY_HEAVY=1';
const MEGABYTE = 1024 * 1024;
const BYTES = 512 * MEGABYTE;

/** Base 256 where octal digits do not reach. */
function sizeField(bytes: number): string | Buffer {
  if (bytes < 8 ** 11) return octal(bytes);
  const field = Buffer.alloc(12);
  field.writeUIntBE(bytes, 6, 6);
  field[0] = 0x80;
  return field;
}

/** A tar of one file of zeros, packed: pieces of it are packed on their own, which every reader takes as one. */
function bomb(pack: (bytes: Buffer) => Buffer, bytes = BYTES): Buffer {
  const header = rawHeader({ name: 'zeros', size: sizeField(bytes) });
  const zeros = pack(Buffer.alloc(16 * MEGABYTE));
  return Buffer.concat([pack(header), ...Array.from({ length: bytes / (16 * MEGABYTE) }, () => zeros), pack(TRAILER)]);
}

/** A frame of zstd that asks for a window of 2 GiB (RFC 8878, section 3.1.1.1.2), with one block of nothing. */
const GREEDY_ZSTD = Buffer.from([0x28, 0xb5, 0x2f, 0xfd, 0, (31 - 10) << 3, 1, 0, 0]);

/** A file of xz that asks for a dictionary of 4 GiB (The .xz File Format, sections 3.1 and 5.3.1), otherwise as xz makes it. */
function greedyXz(): Buffer {
  const xz = packedWith('xz')(archiveOf([item({ path: 'file' }, 'text')]));
  const header = { start: 12, length: (xz.readUInt8(12) + 1) * 4 };
  const sum = header.start + header.length - 4;
  xz[header.start + 4] = 40;
  xz.writeUInt32LE(crc32(xz.subarray(header.start, sum)), sum);
  return xz;
}

/** A frame of anything that is not zero, so that no hole saves the disk. */
function noisyBomb(): Buffer {
  const header = rawHeader({ name: 'noise', size: `${BYTES.toString(8).padStart(11, '0')}\0` });
  const noise = gzipSync(Buffer.alloc(16 * MEGABYTE, 'noise'));
  return Buffer.concat([gzipSync(header), ...Array.from({ length: BYTES / (16 * MEGABYTE) }, () => noise)]);
}

const packedWith = (program: string) => (bytes: Buffer) =>
  spawnSync(program, ['-9c'], { input: bytes, maxBuffer: 64 * MEGABYTE }).stdout;

describeWhere('an archive that becomes far larger than it is', [root], () => {
  let rig: HostileRig;
  beforeAll(async () => {
    rig = await openHostileRig();
    process.env.SLIPWAY_EXPANSION_LIMIT = '0.1';
  });
  afterAll(() => rig[Symbol.asyncDispose]());
  afterAll(() => {
    delete process.env.SLIPWAY_EXPANSION_LIMIT;
  });

  const usedBytes = () => Number(spawnSync('du', ['-s', '-B1', rig.store], { encoding: 'utf8' }).stdout.split('\t')[0]);

  it.each([
    ['gzip', bomb(gzipSync)],
    ['zstd', bomb((bytes) => zstdCompressSync(bytes))],
    ['bzip2', bomb(packedWith('bzip2'))],
    ['xz', bomb(packedWith('xz'))],
    ['gzip of noise', noisyBomb()],
  ])('is stopped soon as an ADD source packed with %s', async (_name, archive) => {
    const before = usedBytes();
    const outcome = await rig.apply(archive, 'ADD source');
    expect([outcome.refused, outcome.message]).toEqual([
      'SLIPWAY_ARCHIVE_TOO_LARGE',
      expect.stringMatching(/^archive becomes more than 107374182.4 bytes/),
    ]);
    expect(usedBytes() - before).toBeLessThan(300 * MEGABYTE);
  });

  it.each([
    ['zstd that asks for a window of 2 GiB', GREEDY_ZSTD],
    ['xz that asks for a dictionary of 4 GiB', greedyXz()],
  ])('is not unpacked by %s, which gets none of it', async (_name, archive) => {
    const before = process.memoryUsage().rss;
    const added = await rig.apply(archive, 'ADD source');
    // What cannot be unpacked from its start on is a file like any other.
    expect(added.files).toEqual(['-644 archive']);
    expect(process.memoryUsage().rss - before).toBeLessThan(300 * MEGABYTE);
  });

  it('is not unpacked more than once', async () => {
    const archive = archiveOf([item({ path: 'file' }, 'text')]);
    expect((await rig.apply(gzipSync(gzipSync(archive)), 'ADD source')).files).toEqual(['-644 archive']);
    const inner = archiveOf([item({ path: 'inner.tar.gz' }, gzipSync(archive).toString('latin1'))]);
    expect((await rig.apply(gzipSync(inner), 'ADD source')).files).toEqual(['-644 inner.tar.gz']);
  });

  it('is stopped as a base layer', async () => {
    const outcome = await rig.apply(
      Buffer.concat([rawHeader({ name: 'z', size: '04000000000\0' }), Buffer.alloc(BYTES)]),
      'base layer',
    );
    expect(outcome.refused).toBe('SLIPWAY_ARCHIVE_TOO_LARGE');
  });

  it.each(WAYS)('is stopped where it is a sparse file (%s)', async (way) => {
    const sparse = [
      paxHeader(['GNU.sparse.map=', `GNU.sparse.size=${2 ** 40}`, 'GNU.sparse.name=s']),
      rawHeader({}),
      TRAILER,
    ];
    expect((await rig.apply(Buffer.concat(sparse), way)).refused).toBe('SLIPWAY_ARCHIVE_TOO_LARGE');
  });

  it('is taken where the limit is lifted, and takes no room for its zeros', async () => {
    process.env.SLIPWAY_EXPANSION_LIMIT = 'off';
    try {
      const before = usedBytes();
      const outcome = await rig.apply(archiveOf([item({ path: 'small' }, 'x')]), 'ADD source');
      expect(outcome.refused).toBeUndefined();
      const large = await rig.apply(bomb(gzipSync), 'ADD source');
      expect(large.files).toEqual(['-644 zeros']);
      expect(usedBytes() - before).toBeLessThan(50 * MEGABYTE);
    } finally {
      process.env.SLIPWAY_EXPANSION_LIMIT = '0.1';
    }
  });

  it('says that a limit is no number', async () => {
    process.env.SLIPWAY_EXPANSION_LIMIT = 'much';
    try {
      expect((await rig.apply(bomb(gzipSync), 'ADD source')).refused).toBe('SLIPWAY_OPTION_INVALID');
    } finally {
      process.env.SLIPWAY_EXPANSION_LIMIT = '0.1';
    }
  });
});

describeWherePossible('an archive of 10 GiB of zeros in 10 MB', [root, heavy], () => {
  let rig: HostileRig;
  beforeAll(async () => {
    rig = await openHostileRig();
  });
  afterAll(() => rig[Symbol.asyncDispose]());

  it.each(['ADD source', 'base layer'] as const)(
    'is stopped by the limit that holds unless another is set (%s)',
    async (way) => {
      const archive = bomb(gzipSync, 10 * 1024 * MEGABYTE);
      expect(archive.length).toBeLessThan(12 * MEGABYTE);
      const before = process.memoryUsage().rss;
      const { refused } = await rig.apply(archive, way);
      expect(refused).toBe('SLIPWAY_ARCHIVE_TOO_LARGE');
      expect(process.memoryUsage().rss - before).toBeLessThan(300 * MEGABYTE);
    },
  );
});

describeWherePossible('an archive of hundreds of thousands of entries', [root, heavy], () => {
  let rig: HostileRig;
  beforeAll(async () => {
    rig = await openHostileRig();
  });
  afterAll(() => rig[Symbol.asyncDispose](), 600_000);

  const count = 200_000;

  it.each(['base layer', 'ADD source', 'context on standard input'] as const)(
    'is built with in memory that does not grow faster than it (%s)',
    async (way) => {
      const blocks = Array.from({ length: count }, (_, at) => rawHeader({ name: `d${at % 1000}/f${at}` }));
      const archive = Buffer.concat([...blocks, TRAILER]);
      blocks.length = 0;
      const before = process.memoryUsage().rss;
      const { refused } = await rig.apply(archive, way);
      expect(refused).toBeUndefined();
      expect(process.memoryUsage().rss - before).toBeLessThan(200 * MEGABYTE + count * 2_500);
    },
    600_000,
  );
});

describeWhere('an archive of very many entries', [root], () => {
  let rig: HostileRig;
  beforeAll(async () => {
    rig = await openHostileRig();
  });
  afterAll(() => rig[Symbol.asyncDispose]());

  const count = 20_000;

  it.each(WAYS)(`is read in memory that grows with it (%s, ${count} entries)`, async (way) => {
    const names = Array.from({ length: count }, (_, at) => item({ path: `d${at % 100}/f${at}` }));
    const archive = archiveOf(names);
    names.length = 0;
    const before = process.memoryUsage().rss;
    const { refused } = await rig.apply(archive, way);
    expect(refused).toBeUndefined();
    expect(process.memoryUsage().rss - before).toBeLessThan(200 * MEGABYTE + count * 3_000);
  });
});
