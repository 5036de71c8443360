import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { LayerId } from '../../../cache/layers/layer-store.ts';
import { packKeyParts, unpackKeyParts } from '../../../cache/records/key-parts.ts';
import type { CacheKey, CacheRecord } from '../../../cache/records/record-store.ts';
import { openRecordStore, type SqliteRecordStore } from '../../../cache/records/sqlite-record-store.ts';
import { openStore, type Store } from '../../../cache/store.ts';
import { digestOf } from '../../../src/core/digest.ts';

let folder: string;
let store: Store;
let records: SqliteRecordStore;

beforeEach(() => {
  folder = mkdtempSync(`${tmpdir()}/slipway-records-`);
  store = openStore(folder);
  records = openRecordStore(store.database);
});

afterEach(() => {
  store[Symbol.dispose]();
  rmSync(folder, { recursive: true, force: true });
});

const key = (name: string) => digestOf(name) as CacheKey;

function record(...layers: string[]): CacheRecord {
  return { stack: layers as LayerId[], preciseKey: key('precise'), createdAt: 1_700_000_000_000 };
}

function count(table: string): unknown {
  return store.database.statement(`SELECT count(*) AS count FROM ${table}`).get()?.count;
}

describe('a record store', () => {
  it('finds a record under each of its keys, in another process too', () => {
    records.save([key('cheap'), key('precise')], record('aa', 'bb'), 'RUN make', []);
    using other = openStore(folder);
    for (const name of ['cheap', 'precise'])
      expect(openRecordStore(other.database).lookup(key(name))).toEqual(record('aa', 'bb'));
    expect(records.lookup(key('unknown'))).toBeUndefined();
  });

  it('keeps the empty stack', () => {
    records.save([key('a')], record(), 'scratch', []);
    expect(records.lookup(key('a'))?.stack).toEqual([]);
  });

  it('replaces what was under a key, and forgets a record that no key finds any more', () => {
    records.save([key('a'), key('b')], record('aa'), 'first', []);
    records.save([key('a')], record('bb'), 'second', []);
    expect(records.lookup(key('a'))?.stack).toEqual(['bb']);
    expect(records.lookup(key('b'))?.stack).toEqual(['aa']);
    expect(count('records')).toBe(2);
    records.save([key('b')], record('cc'), 'third', []);
    expect(count('records')).toBe(2);
  });

  it.each([
    ['a layer that is a path', "UPDATE records SET stack = '../../etc'"],
    ['a precise key that is no digest', "UPDATE records SET precise_key = 'x'"],
  ])('does not take %s from the database', (_what, damage) => {
    records.save([key('a')], record('aa'), 'a', []);
    store.database.statement(damage).run();
    expect(records.lookup(key('a'))).toBeUndefined();
  });

  it('keeps the parts of a key', () => {
    const parts = [
      { name: 'command', value: '["make"]' },
      { name: 'file /app/ä', value: 'file 644 0 0 12 0123456789abcdef' },
    ];
    records.save([key('a')], record('aa'), 'a', parts);
    expect(records.parts(key('a'))).toEqual(parts);
    expect(records.parts(key('unknown'))).toEqual([]);
  });
});

describe('packed key parts', () => {
  const files = (count: number, folder: (index: number) => string) =>
    Array.from({ length: count }, (_, index) => ({
      name: `file ${folder(index)}/f${index}`,
      value: digestOf(String(index)).slice(7, 23),
    }));

  it('fold very many files into their folders, so that the database stays small', () => {
    const many = [{ name: 'command', value: 'make' }, ...files(50_000, (index) => `/src/m${index % 500}/lib`)];
    const packed = packKeyParts(many);
    expect(packed.length).toBeLessThan(64 * 1024);
    const unpacked = unpackKeyParts(packed);
    expect(unpacked[0]).toEqual(many[0]);
    expect(unpacked).toHaveLength(501);
    const changed = many.with(1, { name: many[1]?.name ?? '', value: 'changed' });
    const different = unpackKeyParts(packKeyParts(changed)).filter(
      (part, index) => part.value !== unpacked[index]?.value,
    );
    expect(different.map((part) => part.name)).toEqual(['folder /src/m0/lib']);
  });

  it('fold files of one folder into one part', () => {
    expect(unpackKeyParts(packKeyParts(files(10_000, () => '/all')))).toHaveLength(1);
    expect(unpackKeyParts(packKeyParts(files(10_000, () => '')))).toHaveLength(1);
  });

  it('cut a value that is very long, and still tell it from others', () => {
    const [a, b] = ['a', 'b'].map((end) =>
      unpackKeyParts(packKeyParts([{ name: 'env X', value: 'x'.repeat(1e6) + end }])),
    );
    expect(a?.[0]?.value.length).toBeLessThan(5000);
    expect(a).not.toEqual(b);
  });

  it('are none where they are damaged', () => {
    expect(unpackKeyParts(Buffer.from('no zstd'))).toEqual([]);
    expect(unpackKeyParts(packKeyParts([]).subarray(0, 5))).toEqual([]);
  });
});
