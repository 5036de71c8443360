import { appendFileSync, existsSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { ContentStore } from '../../../cache/content/content-store.ts';
import { openContentStore } from '../../../cache/content/file-content-store.ts';
import { openStore, type Store } from '../../../cache/store.ts';
import { type Digest, digestOf } from '../../../src/core/digest.ts';

let folder: string;
let store: Store;
let content: ContentStore;

beforeEach(() => {
  folder = mkdtempSync(`${tmpdir()}/slipway-content-`);
  store = openStore(folder);
  content = openContentStore(store);
});

afterEach(() => {
  store[Symbol.dispose]();
  rmSync(folder, { recursive: true, force: true });
});

const HELLO = Buffer.from('hello');
/** sha256 of `hello`. */
const HELLO_DIGEST = 'sha256:2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824' as Digest;

async function* pieces(...texts: string[]): AsyncIterable<Uint8Array> {
  for (const text of texts) yield Buffer.from(text);
}

describe('a content store', () => {
  it('keeps a blob under its digest, as an OCI image layout does', () => {
    expect(content.put(HELLO)).toBe(HELLO_DIGEST);
    expect(content.put(HELLO)).toBe(HELLO_DIGEST);
    expect(content.size(HELLO_DIGEST)).toBe(5);
    expect(content.path(HELLO_DIGEST)).toBe(`${folder}/blobs/sha256/${HELLO_DIGEST.slice(7)}`);
    expect(content.read(HELLO_DIGEST).toString()).toBe('hello');
  });

  it('knows nothing of a blob that is not there', () => {
    expect(content.size(HELLO_DIGEST)).toBeUndefined();
    expect(content.path(HELLO_DIGEST)).toBeUndefined();
    expect(() => content.read(HELLO_DIGEST)).toThrow(expect.objectContaining({ code: 'SLIPWAY_BLOB_MISSING' }));
    content.delete(HELLO_DIGEST);
  });

  it('never makes a path of what is no digest', () => {
    for (const text of ['sha256:../../../etc/passwd', 'sha256:', '../x', `sha256:${'A'.repeat(64)}`])
      expect(() => content.path(text as Digest)).toThrow('no digest');
  });

  it('reads no more than the limit, and nothing that was damaged', () => {
    content.put(HELLO);
    expect(() => content.read(HELLO_DIGEST, 4)).toThrow(expect.objectContaining({ code: 'SLIPWAY_BLOB_TOO_LARGE' }));
    writeFileSync(content.path(HELLO_DIGEST) ?? '', 'hallo');
    expect(() => content.read(HELLO_DIGEST)).toThrow(expect.objectContaining({ code: 'SLIPWAY_BLOB_CORRUPT' }));
  });

  it('heals a blob that was cut off, when it is put or written again', () => {
    content.put(HELLO);
    const path = content.path(HELLO_DIGEST) ?? '';
    writeFileSync(path, 'he');
    content.put(HELLO);
    expect(content.read(HELLO_DIGEST).toString()).toBe('hello');
    appendFileSync(path, '!');
    using writer = content.writer();
    writer.write(HELLO);
    writer.commit();
    expect(content.read(HELLO_DIGEST).toString()).toBe('hello');
  });

  it('takes a stream that is what was expected', async () => {
    const expected = { digest: HELLO_DIGEST, size: 5 };
    expect(await content.ingest(pieces('he', 'l', 'lo'), expected)).toEqual(expected);
    expect(await content.ingest(pieces('other'))).toEqual({ digest: digestOf('other'), size: 5 });
  });

  it.each([
    ['other bytes', ['hallo']],
    ['too few', ['hell']],
    ['too many', ['hello', '!']],
  ])('refuses a stream with %s, names what it expected and found, and keeps nothing', async (_what, texts) => {
    await expect(content.ingest(pieces(...texts), { digest: HELLO_DIGEST, size: 5 })).rejects.toMatchObject({
      code: 'SLIPWAY_BLOB_MISMATCH',
      message: expect.stringContaining(HELLO_DIGEST),
    });
    expect(leftovers()).toEqual([]);
    expect(existsSync(`${folder}/blobs/sha256/${HELLO_DIGEST.slice(7)}`)).toBe(false);
  });

  it('stops reading a stream that brings more than expected', async () => {
    let read = 0;
    async function* endless(): AsyncIterable<Uint8Array> {
      for (;;) {
        read++;
        yield HELLO;
      }
    }
    await expect(content.ingest(endless(), { digest: HELLO_DIGEST, size: 5 })).rejects.toThrow('more than 5 bytes');
    expect(read).toBe(2);
  });

  it('keeps nothing of a stream that fails or is aborted', async () => {
    async function* failing(): AsyncIterable<Uint8Array> {
      yield HELLO;
      throw new Error('connection lost');
    }
    await expect(content.ingest(failing())).rejects.toThrow('connection lost');
    await expect(content.ingest(pieces('a', 'b'), undefined, AbortSignal.abort(new Error('enough')))).rejects.toThrow(
      'enough',
    );
    expect(leftovers()).toEqual([]);
  });

  it('discards a writer that is disposed without a commit', () => {
    {
      using writer = content.writer();
      writer.write(HELLO);
    }
    expect(leftovers()).toEqual([]);
    expect(content.size(HELLO_DIGEST)).toBeUndefined();
  });
});

function leftovers(): string[] {
  return readdirSync(`${folder}/tmp`).flatMap((name) => readdirSync(`${folder}/tmp/${name}`));
}
