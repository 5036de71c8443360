import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { fileURLToPath } from 'node:url';
import { expect, onTestFinished, test } from 'vitest';
import { mountOverlay } from '../../src/executor/overlay.ts';

const PROGRAM = fileURLToPath(new URL('rig/mount-layers.ts', import.meta.url));
const isRoot = process.geteuid?.() === 0;
if (!isRoot) console.warn('SKIPPED: mounting many layers: not root');

function mountLayers(count: number, failure: string): string {
  const folder = mkdtempSync(`${tmpdir()}/slipway-overlay-`);
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  const { stdout, stderr } = spawnSync(process.execPath, [PROGRAM, folder, String(count), failure], {
    encoding: 'utf8',
  });
  return stdout.trim() || stderr;
}

test.skipIf(!isRoot).each([
  ['as the kernel can', 'none'],
  ['before Linux 5.2', 'ENOSYS'],
  ['before Linux 6.5', 'EINVAL'],
])('layers with any names are one root, the last on top: %s', (_, failure) => {
  expect(mountLayers(2, failure)).toBe('3 1');
  expect(mountLayers(490, failure)).toBe('491 489');
});

test('more layers than Linux puts together are an error with advice', () => {
  const lowerDirs = Array.from({ length: 500 }, (_, index) => `/nowhere/${index}`);
  expect(() => mountOverlay('/nowhere', { lowerDirs, xattrs: 'trusted' }, '/nowhere')).toThrow(
    expect.objectContaining({ code: 'SLIPWAY_LAYERS_TOO_MANY' }),
  );
});
