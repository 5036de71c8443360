import { createHash, randomBytes } from 'node:crypto';
import { describe, expect, it, vi } from 'vitest';
import { digestStateForm, startResumableDigest } from '../../src/core/resumable-digest.ts';

const BYTES = randomBytes(100_000);
const EXPECTED = `sha256:${createHash('sha256').update(BYTES).digest('hex')}`;

describe('a resumable digest', () => {
  it.each([0, 1, 55, 56, 63, 64, 65, 128, 1000, 65_536, 99_999, 100_000])(
    'is the same when it is gone on with after %i bytes',
    (length) => {
      const first = startResumableDigest();
      first.update(BYTES.subarray(0, length));
      const state = first.state();
      if (state === undefined) throw new Error('this Node gives no states');
      const second = startResumableDigest();
      second.update(Buffer.from('what was hashed before does not count'));
      second.resume(state);
      first.update(Buffer.from('nor does what the first goes on with'));
      second.update(BYTES.subarray(length));
      expect(second.finish()).toBe(EXPECTED);
    },
  );

  it('says what its states depend on', () => {
    expect(digestStateForm()).toBe(`${process.arch} ${process.versions.openssl}`);
  });
});

describe('where Node does not export the functions, or others under their names', () => {
  const noSuchFunction = () => {
    throw new Error("Cannot find function 'SHA256_Init' in shared library");
  };
  it.each([
    ['there are none', noSuchFunction],
    ['they do nothing', () => () => 1],
  ])('digests are right and have no states (%s)', async (_why, func) => {
    vi.resetModules();
    vi.doMock('../../src/core/load-koffi.ts', () => ({ loadKoffi: () => ({ load: () => ({ func }) }) }));
    const fallback = await import('../../src/core/resumable-digest.ts');
    const digest = fallback.startResumableDigest();
    digest.update(BYTES);
    expect([digest.state(), fallback.digestStateForm()]).toEqual([undefined, undefined]);
    expect(digest.finish()).toBe(EXPECTED);
    vi.doUnmock('../../src/core/load-koffi.ts');
  });
});
