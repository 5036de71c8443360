import { expect, test } from 'vitest';
import type { CacheMountRequest } from '../../../../cache/mounts/cache-mount-store.ts';
import { acquireCaches } from '../../../../solver/ops/exec/cache-mounts.ts';
import type { MountRequest } from '../../../../solver/ops/exec/prepare-mounts.ts';
import { type ExecMount, type ExecOp, vertex } from '../../../../solver/vertex.ts';
import { memoryTree } from '../file/memory-tree.ts';

const STAGE = memoryTree({ 'seed/a': {}, 'seed/sub/b': {}, file: {}, link: '-> file' });

/** What a cache that starts from `source` of a stage is filled with. */
async function seeded(source: string): Promise<readonly string[]> {
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
  await acquireCaches(
    { ...request, inputs: [[]], services, signal: new AbortController().signal } as unknown as MountRequest,
    held,
  );
  return contents;
}

test('a cache starts with what a folder of another stage has in it', async () => {
  expect(await seeded('/seed')).toEqual(['/a', '/sub', '/sub/b']);
});

test('a cache cannot start from a file', async () => {
  await expect(seeded('/link')).rejects.toMatchObject({
    code: 'SLIPWAY_CACHE_SOURCE_INVALID',
    message: expect.stringContaining('from "/link": expected a folder, found a file'),
  });
});
