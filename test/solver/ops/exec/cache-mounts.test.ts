import { expect, test } from 'vitest';
import type { CacheMountRequest } from '../../../../cache/mounts/cache-mount-store.ts';
import { acquireCaches } from '../../../../solver/ops/exec/cache-mounts.ts';
import type { MountRequest } from '../../../../solver/ops/exec/prepare-mounts.ts';
import { type ExecMount, type ExecOp, vertex } from '../../../../solver/vertex.ts';
import { memoryTree } from '../file/memory-tree.ts';

const STAGE = memoryTree({
  'seed/a': {},
  'seed/sub/b': {},
  'seed/file': {},
  link: '-> seed/file',
  pipe: { type: 'fifo' },
  disk: { type: 'block' },
});

/** What a cache that starts from `source` of a stage is filled with, and what of it is mounted. */
async function seeded(source: string): Promise<{ readonly contents: readonly string[]; readonly path: unknown }> {
  const mount: ExecMount = {
    ...{ type: 'cache', target: '/c', id: 'c', input: 0, source, sharing: 'shared', readonly: false },
    ...{ mode: 0o755, uid: 0, gid: 0 },
  };
  const contents: string[] = [];
  const services = {
    layers: { view: async () => ({ ...STAGE, [Symbol.dispose]: () => {} }) },
    digestContent: async () => ({ digest: `sha256:${'0'.repeat(64)}`, parts: [] }),
    cacheMounts: {
      acquire: async ({ seed }: CacheMountRequest) => {
        const content = await seed?.content();
        contents.push(...(content?.entries ?? []).map(({ path }) => path));
        return { path: '/store/c', [Symbol.dispose]: () => {} };
      },
    },
  } as unknown as MountRequest['services'];
  const stage = vertex({ kind: 'merge' }, [], { name: 'stage' });
  const request = {
    op: { mounts: [mount] } as unknown as ExecOp,
    vertex: vertex({ kind: 'merge' }, [stage], { name: 'RUN' }),
  };
  await using held = new AsyncDisposableStack();
  const acquired = await acquireCaches(
    { ...request, inputs: [[]], services, signal: new AbortController().signal } as unknown as MountRequest,
    held,
  );
  return { contents, path: acquired.get(mount)?.path };
}

test('a cache starts with what a folder of another stage has in it', async () => {
  expect(await seeded('/seed')).toEqual({ contents: ['/a', '/file', '/sub', '/sub/b'], path: '/' });
});

test.each(['/seed/file', '/link', '/pipe'])('a cache may be a single file: %s', async (source) => {
  expect(await seeded(source)).toEqual({ contents: ['/file'], path: '/file' });
});

test('a cache cannot start from a device', async () => {
  await expect(seeded('/disk')).rejects.toMatchObject({
    code: 'SLIPWAY_CACHE_SOURCE_INVALID',
    message: expect.stringContaining('from "/disk": expected a folder or a file, found a'),
  });
});
