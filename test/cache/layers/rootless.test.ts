import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import type { BytePath } from '../../../src/core/byte-path.ts';
import { digestOf } from '../../../src/core/digest.ts';
import { archiveOf, item } from '../tar/archives.ts';
import { isRealRoot } from './hostile-layers.ts';

const folder = mkdtempSync(join(tmpdir(), 'slipway-test-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** VFS_CAP_REVISION_2 with cap_net_raw, effective: what a user namespace keeps as revision 3 and gives back as this. */
const CAPABILITY = '\x01\x00\x00\x02\x00\x20\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00';
const XATTRS = new Map([['security.capability', CAPABILITY]]);
const tar = archiveOf([
  item({ path: '.wh.gone', mode: 0, mtime: 0 }),
  item({ path: 'd', type: 'dir', mode: 0o755 }),
  item({ path: 'd/.wh..wh..opq', mode: 0, mtime: 0 }),
  item({ path: 'd/full', type: 'char', mode: 0o666, device: { major: 1, minor: 7 } }),
  item({ path: 'd/pipe', type: 'fifo', mode: 0o600 }),
  item({ path: 'd/sda', type: 'block', mode: 0o660, device: { major: 8, minor: 300 } }),
  item({ path: 'ping', mode: 0o755, xattrs: XATTRS }, 'program'),
  item({ path: 'ping6', mode: 0o755, type: 'hardlink', target: 'ping' as BytePath, xattrs: XATTRS }),
  item({ path: 'su', mode: 0o4755, xattrs: new Map([['user.note', 'kept']]) }, 'program'),
]);

function exportAgain(name: string, wrapper: readonly string[]): { status: number | null; output: string } {
  const script = join(import.meta.dirname, 'export-again.ts');
  const [command = '', ...args] = [...wrapper, process.execPath, script, join(folder, name)];
  const run = spawnSync(command, args, { input: tar, encoding: 'utf8' });
  return { status: run.status, output: run.status === 0 ? run.stdout : run.stderr };
}

const NAMESPACE = ['unshare', '--user', '--map-root-user', '--mount'];
const hasNamespaces = spawnSync('unshare', [...NAMESPACE.slice(1), 'true']).status === 0;
if (!hasNamespaces) console.warn('SKIPPED: rootless layers are not tested, because user namespaces are forbidden here');

describe('a layer that is unpacked and made again', () => {
  it.skipIf(!isRealRoot())('is the same for root', () => {
    const { status, output } = exportAgain('root', []);
    expect([status, status === 0 ? JSON.parse(output).diffId : output]).toEqual([0, digestOf(tar)]);
  });

  it.skipIf(!hasNamespaces)('is the same in a user namespace, where devices cannot be made', () => {
    const { status, output } = exportAgain('rootless', NAMESPACE);
    expect([status, status === 0 ? JSON.parse(output) : output]).toEqual([
      0,
      { prefix: 'user.overlay.', diffId: digestOf(tar) },
    ]);
  });
});
