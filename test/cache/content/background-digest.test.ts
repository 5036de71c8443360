import { createHash, randomBytes } from 'node:crypto';
import { expect, it } from 'vitest';
import { BackgroundDigest } from '../../../cache/content/background-digest.ts';

const BYTES = randomBytes(6 * 1024 * 1024);

function sha256(bytes: Uint8Array): string {
  return `sha256:${createHash('sha256').update(bytes).digest('hex')}`;
}

/** Cuts bytes into pieces of these sizes in turn. */
function cut(bytes: Buffer, sizes: readonly number[]): Buffer[] {
  const pieces: Buffer[] = [];
  for (let start = 0, turn = 0; start < bytes.length; turn++) {
    const end = Math.min(bytes.length, start + (sizes[turn % sizes.length] ?? 1));
    pieces.push(bytes.subarray(start, end));
    start = end;
  }
  return pieces;
}

it.each([
  ['small ones', [5000]],
  ['large ones', [700_000]],
  ['small and large ones', [1, 300_000, 77_000, 2 * 1024 * 1024, 0, 2500]],
])('bytes in pieces have the digest of the whole: %s', async (_what, sizes) => {
  for (const isApart of [true, false]) {
    const digest = new BackgroundDigest();
    for (const piece of cut(BYTES, sizes)) await digest.append(isApart ? Buffer.from(piece) : piece);
    await digest.flush();
    expect(digest.finish()).toBe(sha256(BYTES));
  }
});

it('goes on where it was flushed, also by what the caller hashes itself', async () => {
  const digest = new BackgroundDigest();
  await digest.append(BYTES.subarray(0, 1_000_001));
  await digest.flush();
  digest.update(BYTES.subarray(1_000_001, 1_000_101));
  await digest.append(BYTES.subarray(1_000_101));
  await digest.flush();
  expect(digest.finish()).toBe(sha256(BYTES));
});

it('says when bytes are not needed any more', async () => {
  const digest = new BackgroundDigest();
  const buffer = Buffer.from(BYTES.subarray(0, 500_000));
  await new Promise<void>((done) => void digest.append(buffer, done));
  buffer.fill(0);
  await digest.flush();
  expect(digest.finish()).toBe(sha256(BYTES.subarray(0, 500_000)));
});

it('hashes nothing before it returns', async () => {
  const digest = new BackgroundDigest();
  let isDone = false;
  void digest.append(BYTES, () => {
    isDone = true;
  });
  expect(isDone).toBe(false);
  await digest.flush();
  expect(isDone).toBe(true);
});
