import { spawnSync } from 'node:child_process';
import { gzipSync, zstdCompressSync } from 'node:zlib';
import { expect, it } from 'vitest';
import { decompress, detectCompression } from '../../../cache/tar/decompress.ts';
import { describeWhere, program } from '../../rig/requirements.ts';

async function* pieces(bytes: Buffer, size: number): AsyncGenerator<Buffer> {
  for (let place = 0; place < bytes.length; place += size) yield bytes.subarray(place, place + size);
}

async function unpacked(bytes: Buffer, pieceBytes: number): Promise<string> {
  const parts: Buffer[] = [];
  for await (const part of decompress(pieces(bytes, pieceBytes), detectCompression(bytes), 'the archive'))
    parts.push(part);
  return Buffer.concat(parts).toString('latin1');
}

const by = (name: string) => (bytes: Buffer) => spawnSync(name, ['-c'], { input: bytes }).stdout;
const PACKERS: readonly (readonly [string, (bytes: Buffer) => Buffer])[] = [
  ['gzip', gzipSync],
  ['zstd', (bytes) => zstdCompressSync(bytes)],
  ['bzip2', by('bzip2')],
  ['xz', by('xz')],
];
const FIRST = Buffer.from('first'.repeat(50_000));
const SECOND = Buffer.from('second');
const SKIPPABLE = Buffer.concat([Buffer.from([0x5a, 0x2a, 0x4d, 0x18, 3, 0, 0, 0]), Buffer.from('xyz')]);
const EMPTY_FRAME = zstdCompressSync(Buffer.alloc(0));

describeWhere('packed bytes', [program('bzip2'), program('xz')], () => {
  it.each(PACKERS)('of %s are unpacked to the last of several parts, in pieces of any size', async (_name, pack) => {
    const bytes = Buffer.concat([pack(FIRST), pack(SECOND), pack(FIRST)]);
    for (const size of [7, 1000, bytes.length]) expect(await unpacked(bytes, size)).toBe(`${FIRST}${SECOND}${FIRST}`);
  });

  it('of zstd may have frames that are to be skipped, and empty ones', async () => {
    const frames = [SKIPPABLE, zstdCompressSync(FIRST), SKIPPABLE, EMPTY_FRAME, zstdCompressSync(SECOND), SKIPPABLE];
    for (const size of [1, 3, 100_000]) expect(await unpacked(Buffer.concat(frames), size)).toBe(`${FIRST}${SECOND}`);
  });

  it.each(PACKERS)('of %s that are cut off are refused', async (_name, pack) => {
    const bytes = pack(FIRST);
    await expect(unpacked(bytes.subarray(0, bytes.length - 5), 1000)).rejects.toMatchObject({
      code: 'SLIPWAY_ARCHIVE_INVALID',
    });
  });

  it('of zstd with something else behind them are refused', async () => {
    const bytes = Buffer.concat([zstdCompressSync(FIRST), Buffer.from('something else')]);
    await expect(unpacked(bytes, 1000)).rejects.toMatchObject({ code: 'SLIPWAY_ARCHIVE_INVALID' });
  });

  it.each(['bzip2', 'xz'])('of %s need its program', async (name) => {
    const bytes = by(name)(FIRST);
    const path = process.env.PATH;
    process.env.PATH = '/nonexistent';
    try {
      await expect(unpacked(bytes, 1000)).rejects.toMatchObject({ code: 'SLIPWAY_DECOMPRESSOR_MISSING' });
    } finally {
      process.env.PATH = path;
    }
  });
});
