import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { setTimeout } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { TreeEntry } from '../../../cache/layers/layer-store.ts';
import type { CacheMountRequest, CacheMountStore } from '../../../cache/mounts/cache-mount-store.ts';
import { openCacheMounts } from '../../../cache/mounts/folder-cache-mounts.ts';
import { openStore, type Store } from '../../../cache/store.ts';
import { toBytePath } from '../../../src/core/byte-path.ts';

let folder: string;
let store: Store;
let mounts: CacheMountStore;
const signal = new AbortController().signal;

beforeEach(() => {
  folder = mkdtempSync(`${tmpdir()}/slipway-mounts-`);
  store = openStore(folder);
  mounts = openCacheMounts(store);
});

afterEach(() => {
  store[Symbol.dispose]();
  rmSync(folder, { recursive: true, force: true });
});

function request(id: string, sharing: CacheMountRequest['sharing'] = 'shared', more = {}): CacheMountRequest {
  return { id, sharing, mode: 0o755, uid: 0, gid: 0, ...more };
}

const acquire = (wanted: CacheMountRequest) => mounts.acquire(wanted, signal);

describe('cache mounts', () => {
  it('keep what is in them from one use to the next', async () => {
    {
      using first = await acquire(request('npm'));
      writeFileSync(`${first.path}/kept`, '');
    }
    using second = await acquire(request('npm'));
    expect(readdirSync(second.path)).toEqual(['kept']);
    using other = await acquire(request('pip'));
    expect(readdirSync(other.path)).toEqual([]);
  });

  it.each(['../../../../etc', '/etc', 'a\0b', 'x'.repeat(4096), '名前'])(
    'hash their id before it touches the disk: %j',
    async (id) => {
      using mount = await acquire(request(id));
      expect(mount.path.startsWith(`${folder}/mounts/`)).toBe(true);
      expect(mount.path.slice(`${folder}/mounts/`.length)).toMatch(/^[0-9a-f]{48}-[0-9a-f]{16}-0\/content$/);
    },
  );

  it('have the mode that was asked for when they are made, and are another folder for another mode', async () => {
    using mount = await acquire(request('a', 'shared', { mode: 0o1777 }));
    expect(statSync(mount.path).mode & 0o7777).toBe(0o1777);
    using other = await acquire(request('a'));
    expect(other.path).not.toBe(mount.path);
  });

  it('are the same folder for all that share them', async () => {
    using first = await acquire(request('a'));
    using second = await acquire(request('a'));
    expect(second.path).toBe(first.path);
  });

  it('that are private are a folder of their own while another is in use, and one that is free is used again', async () => {
    using first = await acquire(request('a', 'private'));
    {
      using second = await acquire(request('a', 'private'));
      expect(second.path).not.toBe(first.path);
    }
    using third = await acquire(request('a', 'private'));
    expect(third.path).toMatch(/-1\/content$/);
  });

  it('that are locked let one in at a time', async () => {
    const first = await acquire(request('a', 'locked'));
    let isIn = false;
    const second = acquire(request('a', 'locked')).then((mount) => {
      isIn = true;
      return mount;
    });
    await setTimeout(120);
    expect(isIn).toBe(false);
    first[Symbol.dispose]();
    using mount = await second;
    expect(mount.path).toBe(first.path);
  });

  it('end a wait with the signal', async () => {
    using _first = await acquire(request('a', 'locked'));
    const stop = new AbortController();
    const waiting = mounts.acquire(request('a', 'locked'), stop.signal);
    stop.abort();
    await expect(waiting).rejects.toThrow();
  });

  it('that another process locked are free when that process was killed', async () => {
    const module = (path: string) => new URL(`../../../cache/${path}`, import.meta.url).pathname;
    const program = `
      const { openStore } = await import('${module('store.ts')}');
      const { openCacheMounts } = await import('${module('mounts/folder-cache-mounts.ts')}');
      const mounts = openCacheMounts(openStore('${folder}'));
      await mounts.acquire({ id: 'a', sharing: 'locked', mode: 0o755, uid: 0, gid: 0 }, new AbortController().signal);
      console.log('locked');
      setInterval(() => {}, 1000);`;
    const child = spawn(process.execPath, ['--input-type=module', '-e', program], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    await once(child.stdout, 'data');
    const waiting = acquire(request('a', 'locked'));
    expect(await Promise.race([waiting, setTimeout(200, 'waits')])).toBe('waits');
    child.kill('SIGKILL');
    using mount = await waiting;
    expect(existsSync(mount.path)).toBe(true);
  });

  it('are empty again when their id is emptied, but for those in use', async () => {
    {
      using first = await acquire(request('npm'));
      using second = await acquire(request('npm', 'shared', { mode: 0o700 }));
      using other = await acquire(request('pip'));
      for (const { path } of [first, second, other]) writeFileSync(`${path}/kept`, '');
    }
    {
      using used = await acquire(request('npm', 'shared', { mode: 0o700 }));
      mounts.empty('npm');
      expect(readdirSync(used.path)).toEqual(['kept']);
    }
    using emptied = await acquire(request('npm'));
    using kept = await acquire(request('pip'));
    expect(readdirSync(emptied.path)).toEqual([]);
    expect(readdirSync(kept.path)).toEqual(['kept']);
  });

  it('start with their seed, once, and are another folder for another seed', async () => {
    let asked = 0;
    const bytes = Buffer.from('seeded');
    const file = { type: 'file' as const, mode: 0o600, uid: 0, gid: 0, size: bytes.length, mtime: 1 };
    const entries: TreeEntry[] = [
      { path: toBytePath('/f'), change: { kind: 'present', file, content: { kind: 'bytes', bytes } } },
    ];
    const seed = (identity: string) => ({
      identity,
      content: async () => {
        asked++;
        return { root: { mode: 0o750, uid: 7, gid: 8 }, entries };
      },
    });
    {
      using mount = await acquire(request('a', 'shared', { seed: seed('one') }));
      expect(readFileSync(`${mount.path}/f`, 'utf8')).toBe('seeded');
      const { mode, uid, gid } = statSync(mount.path);
      // Owners can only be given by root.
      expect(process.geteuid?.() === 0 ? [mode & 0o7777, uid, gid] : [mode & 0o7777]).toEqual(
        process.geteuid?.() === 0 ? [0o750, 7, 8] : [0o750],
      );
      rmSync(`${mount.path}/f`);
    }
    using again = await acquire(request('a', 'shared', { seed: seed('one') }));
    expect(readdirSync(again.path)).toEqual([]);
    using other = await acquire(request('a', 'shared', { seed: seed('two') }));
    expect(readdirSync(other.path)).toEqual(['f']);
    expect(asked).toBe(2);
  });

  it('that cannot be filled are not there, and nobody waits for them', async () => {
    const seed = { identity: 'bad', content: () => Promise.reject(new Error('no')) };
    await expect(acquire(request('a', 'locked', { seed }))).rejects.toThrow('no');
    expect(readdirSync(`${folder}/mounts`)).toEqual([]);
    await expect(acquire(request('a', 'locked', { seed }))).rejects.toThrow('no');
  });
});
