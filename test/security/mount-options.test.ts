import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { expect, test } from 'vitest';
import { openCacheMounts } from '../../cache/mounts/folder-cache-mounts.ts';
import { openStore } from '../../cache/store.ts';
import { parseRunMount } from '../../frontend/instructions/run-mount.ts';

test.each([
  ...['shared', 'rshared', 'rslave', 'rprivate', 'rshared,/etc:/x', '/etc:/x', ''].map(
    (value) => `bind-propagation=${value}`,
  ),
  ...[
    'propagation=rshared',
    'options=suid',
    'o=dev',
    'bind-nonrecursive=true',
    'relabel=shared',
    'z',
    'Z',
    'U',
    'suid',
    'dev',
  ],
  ...['exec', 'volume-opt=type=nfs', 'consistency=cached', 'tmpfs-mode=4777', 'lowerdir=/', 'upperdir=/etc', 'idmap'],
])('CVE-2024-9407: a mount has no %s', (field) => {
  for (const type of ['bind', 'cache', 'tmpfs', 'secret', 'ssh'])
    expect(() => parseRunMount(`type=${type},target=/t,id=i,${field}`, (value) => value)).toThrow(
      /unexpected key|must be a key=value pair|invalid/,
    );
});

test.each(['volume', 'devpts', 'proc', 'sysfs', 'overlay', 'npipe', 'image', 'none', 'rbind', ''])(
  'CVE-2024-9407: no mount has the type "%s"',
  (type) => {
    expect(() => parseRunMount(`type=${type},target=/t`, (value) => value)).toThrow('unsupported mount type');
  },
);

test.each([
  ...[
    '../../../../etc',
    '/etc',
    '..',
    '.',
    '',
    'a/../../b',
    '../../../../etc\0',
    '\0',
    'x'.repeat(4096),
    '../'.repeat(1365),
  ],
  ...[
    '名前',
    '\u202e/etc',
    'e\u0301',
    '\ud800',
    '/proc/self/cwd',
    'a\nb',
    '%2e%2e%2f',
    '..\\..\\etc',
    '-rf',
    'content',
  ],
])('CVE-2024-9675: a cache with the id %j is a folder of the store', async (id) => {
  const folder = mkdtempSync(`${tmpdir()}/slipway-cache-id-`);
  try {
    using store = openStore(`${folder}/store`);
    const request = { id, sharing: 'shared', mode: 0o755, uid: 0, gid: 0 } as const;
    using mount = await openCacheMounts(store).acquire(request, new AbortController().signal);
    expect(mount.path.startsWith(`${folder}/store/`)).toBe(true);
    expect(mount.path.slice(folder.length)).toMatch(/^\/store\/mounts\/[0-9a-f]{48}-[0-9a-f]{16}-0\/content$/);
    expect(readdirSync(mount.path)).toEqual([]);
    expect(readdirSync(folder)).toEqual(['store']);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});

test('CVE-2024-9675: ids that look alike are caches of their own', async () => {
  const folder = mkdtempSync(`${tmpdir()}/slipway-cache-id-`);
  try {
    using store = openStore(`${folder}/store`);
    const caches = openCacheMounts(store);
    const paths = new Set<string>();
    const ids = ['é', 'e\u0301', 'a', 'A', 'a/', './a', 'a\0', 'a ', 'x'.repeat(4095), 'x'.repeat(4096)];
    for (const id of ids) {
      using mount = await caches.acquire(
        { id, sharing: 'private', mode: 0o755, uid: 0, gid: 0 },
        new AbortController().signal,
      );
      paths.add(mount.path);
    }
    expect(paths.size).toBe(ids.length);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});
