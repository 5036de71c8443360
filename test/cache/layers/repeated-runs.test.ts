import { createHash } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { RepeatedRuns } from '../../../cache/layers/repeated-runs.ts';
import type { TarItem } from '../../../cache/tar/tar-writer.ts';
import { toBytePath } from '../../../src/core/byte-path.ts';

const PIECE = 32 * 1024;

/** Bytes that follow from a number and do not repeat. */
function pieces(...seeds: number[]): Buffer {
  return Buffer.concat(
    seeds.map((seed) => {
      const bytes = Buffer.alloc(PIECE);
      for (let at = 0; at < PIECE; at += 64) createHash('sha512').update(`${seed} ${at}`).digest().copy(bytes, at);
      return bytes;
    }),
  );
}

function itemOf(size: number): TarItem {
  return { entry: { path: toBytePath('f'), type: 'file', mode: 0o644, uid: 0, gid: 0, size, mtime: 0 } };
}

/** Runs as `[first piece, piece after the last]` in a file whose bytes come in one chunk. */
function runsIn(repeated: RepeatedRuns, bytes: Buffer, fileOffset = 0, size = fileOffset + bytes.length) {
  const chunk = Buffer.concat([Buffer.alloc(512), bytes]);
  const content = { item: itemOf(size), fileOffset, chunk, start: 512, end: chunk.length };
  return repeated.find(content).map(({ start, end }) => [(start - 512) / PIECE, (end - 512) / PIECE]);
}

describe('repeated runs', () => {
  it('are pieces that came before in the same succession', () => {
    const repeated = new RepeatedRuns();
    expect(runsIn(repeated, pieces(1, 2, 3, 4))).toEqual([]);
    expect(runsIn(repeated, pieces(9, 2, 3, 4, 8))).toEqual([[1, 4]]);
    expect(runsIn(repeated, pieces(1, 2, 4, 3))).toEqual([[0, 2]]);
    expect(runsIn(repeated, pieces(1, 5, 4))).toEqual([]);
  });

  it('have equal names where they are equal, and only there', () => {
    const repeated = new RepeatedRuns();
    const names = [pieces(1, 2, 3), pieces(1, 2, 3), pieces(0, 1, 2, 3), pieces(1, 2, 7), pieces(1, 2, 7)].map(
      (chunk) =>
        repeated
          .find({ item: itemOf(chunk.length), fileOffset: 0, chunk, start: 0, end: chunk.length })
          .map(({ name }) => name)
          .join(),
    );
    expect(names[1]).not.toBe('');
    expect(names[2]).toBe(names[1]);
    expect(new Set([names[1], names[3], names[4]]).size).toBe(3);
  });

  it('are counted from the start of the file, in whichever chunk its bytes come', () => {
    const repeated = new RepeatedRuns();
    const file = pieces(1, 2, 3, 4);
    expect(runsIn(repeated, file)).toEqual([]);
    expect(runsIn(repeated, file.subarray(PIECE - 512), PIECE - 512)).toEqual([[512 / PIECE, 3 + 512 / PIECE]]);
    expect(runsIn(repeated, file.subarray(0, 3 * PIECE - 1), 0, file.length)).toEqual([[0, 2]]);
  });

  it('are not looked for in small files', () => {
    const repeated = new RepeatedRuns();
    for (const _time of [1, 2]) expect(runsIn(repeated, pieces(1, 2).subarray(1))).toEqual([]);
  });

  it('are compared as a whole: bytes that differ in one place are others', () => {
    const repeated = new RepeatedRuns();
    const other = pieces(1, 2, 3);
    other[PIECE + 1] = (other[PIECE + 1] ?? 0) ^ 1;
    expect(runsIn(repeated, pieces(1, 2, 3))).toEqual([]);
    expect(runsIn(repeated, other)).toEqual([]);
    expect(runsIn(repeated, other)).toEqual([[0, 3]]);
  });

  it('are forgotten after so many other pieces that memory stays bounded', () => {
    const repeated = new RepeatedRuns();
    runsIn(repeated, pieces(1, 2));
    const chunk = pieces(3, 4);
    const content = { item: itemOf(chunk.length), fileOffset: 0, chunk, start: 0, end: chunk.length };
    const before = process.memoryUsage().arrayBuffers;
    for (let count = 0; count < 4000; count++) {
      chunk.writeUInt32LE(count, 0);
      chunk.writeUInt32LE(count, PIECE);
      repeated.find(content);
    }
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(1024 * PIECE * 1.5);
    expect(runsIn(repeated, pieces(1, 2))).toEqual([]);
  });
});
