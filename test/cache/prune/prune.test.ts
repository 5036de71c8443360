import { mkdirSync, mkdtempSync, readdirSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { ContentStore } from '../../../cache/content/content-store.ts';
import { openContentStore } from '../../../cache/content/file-content-store.ts';
import type { Database } from '../../../cache/database.ts';
import { openFailedSteps } from '../../../cache/failed-steps/sqlite-failed-step-store.ts';
import { type ImageStore, openImageStore } from '../../../cache/images/image-store.ts';
import { createLayerStore } from '../../../cache/layers/create-layer-store.ts';
import type { LayerId, LayerStore } from '../../../cache/layers/layer-store.ts';
import { type Leases, openLeases } from '../../../cache/leases.ts';
import { openCacheMounts } from '../../../cache/mounts/folder-cache-mounts.ts';
import { type PruneOptions, prune } from '../../../cache/prune/prune.ts';
import type { CacheKey } from '../../../cache/records/record-store.ts';
import { openRecordStore, type SqliteRecordStore } from '../../../cache/records/sqlite-record-store.ts';
import { openStore, type Store } from '../../../cache/store.ts';
import { MEDIA } from '../../../src/core/descriptor.ts';
import { type DiffID, type Digest, digestOf } from '../../../src/core/digest.ts';

const DAY = 24 * 60 * 60 * 1000;
const signal = new AbortController().signal;
const key = (name: string) => digestOf(name) as CacheKey;

let folder: string;
let store: Store;
let leases: Leases;
let content: ContentStore;
let layers: LayerStore;
let records: SqliteRecordStore;
let images: ImageStore;

beforeEach(() => {
  folder = mkdtempSync(`${tmpdir()}/slipway-prune-`);
  store = openStore(folder);
  leases = openLeases(store.database);
  content = openContentStore(store);
  layers = createLayerStore({ store, content, leases });
  records = openRecordStore(store.database);
  images = openImageStore(store.database);
});

afterEach(() => {
  store[Symbol.dispose]();
  rmSync(folder, { recursive: true, force: true });
});

const run = (options: Partial<PruneOptions> = {}) =>
  prune({ store, content, leases, images }, { images: 'keep', unusedSince: Number.POSITIVE_INFINITY, ...options });

/** A layer with a file of so many bytes, and a record of it under `name`. */
async function makeResult(name: string, bytes = 10_000): Promise<LayerId> {
  await using layer = await layers.prepare();
  writeFileSync(`${layer.upperDir}/file`, Buffer.alloc(bytes, 'x'));
  const id = await layer.commit();
  records.save([key(name)], { stack: [id], preciseKey: key(name), createdAt: Date.now() }, name, []);
  return id;
}

/** As if the result had been made and used last so many days ago. */
function age(name: string, layer: LayerId, days: number): void {
  const at = Date.now() - days * DAY;
  const { database } = store;
  database
    .statement('UPDATE records SET used_at = ? WHERE id = (SELECT record FROM record_keys WHERE key = ?)')
    .run(at, key(name));
  for (const sql of [
    'UPDATE layers SET created_at = ? WHERE id = ?',
    'UPDATE layer_folders SET created_at = ? WHERE layer = ?',
  ])
    database.statement(sql).run(at, layer);
}

describe('prune', () => {
  it('removes results and their layers, and says how much that was', async () => {
    const layer = await makeResult('a', 100_000);
    const report = run();
    expect(report).toMatchObject({ layers: 1, records: 1 });
    expect(report.bytes).toBeGreaterThanOrEqual(100_000);
    expect(records.lookup(key('a'))).toBeUndefined();
    expect(layers.isDurable([layer])).toBe(false);
    expect(readdirSync(`${folder}/layers`)).toEqual([]);
  });

  it('leaves what a living process holds, and what it uses of the mounts', async () => {
    const layer = await makeResult('a');
    const caches = openCacheMounts(store);
    const request = { id: 'c', sharing: 'shared', mode: 0o755, uid: 0, gid: 0 } as const;
    {
      using _mounted = await layers.mount([layer], signal);
      using _cache = await caches.acquire(request, signal);
      expect(run()).toMatchObject({ layers: 0, cacheMounts: 0 });
      expect(layers.isDurable([layer])).toBe(true);
    }
    expect(run()).toMatchObject({ layers: 1, cacheMounts: 1 });
    expect(readdirSync(`${folder}/mounts`)).toEqual([]);
  });

  it('leaves all that a build which runs may have found, and removes what is older', async () => {
    const [recent, old] = [await makeResult('recent'), await makeResult('old')];
    age('old', old, 2);
    using _build = leases.hold(['build:1']);
    expect(run()).toMatchObject({ layers: 1 });
    expect(layers.isDurable([recent])).toBe(true);
    expect(layers.isDurable([old])).toBe(false);
  });

  /** A pulled layer's blob, in the store; the layer is looked for by this process. */
  function pullLayer(text: string): { readonly digest: Digest; again(): void } {
    const digest = content.put(Buffer.from(text));
    const descriptor = { mediaType: MEDIA.ociLayer, digest, size: text.length };
    const unreachable = { fetch: () => Promise.reject(new Error('internal: nothing is to be fetched')) };
    const again = () => void layers.addBlob(descriptor, digest as unknown as DiffID, unreachable);
    again();
    return { digest, again };
  }

  it('leaves the blob of a layer that a build finds while it is being forgotten', async () => {
    const { digest, again } = pullLayer('a pulled layer');
    let count = 0;
    const meanwhile: Database = {
      ...store.database,
      transaction: (work) => {
        const result = store.database.transaction(work);
        // The second is the one that forgets.
        if (++count === 2) again();
        return result;
      },
    };
    prune(
      { store: { ...store, database: meanwhile }, content, leases, images },
      { images: 'keep', unusedSince: Number.POSITIVE_INFINITY },
    );
    expect(count).toBeGreaterThan(2);
    expect(content.size(digest)).toBe('a pulled layer'.length);
    expect(run()).toMatchObject({ blobs: 1 });
    expect(content.size(digest)).toBeUndefined();
  });

  it('leaves a layer that was pulled long ago once a build has found it', () => {
    const { digest, again } = pullLayer('an old layer');
    store.database.statement('UPDATE layers SET created_at = ?').run(Date.now() - 2 * DAY);
    using _build = leases.hold(['build:1']);
    again();
    expect(run()).toMatchObject({ layers: 0, blobs: 0 });
    expect(content.size(digest)).toBe('an old layer'.length);
  });

  it('takes a lookup for a use', async () => {
    const layer = await makeResult('old');
    age('old', layer, 2);
    expect(records.lookup(key('old'))).toBeDefined();
    expect(run({ unusedSince: Date.now() - DAY })).toMatchObject({ layers: 0, records: 0 });
    age('old', layer, 2);
    expect(run({ unusedSince: Date.now() - DAY })).toMatchObject({ layers: 1, records: 1 });
  });

  it('forgets leases of dead processes', async () => {
    const layer = await makeResult('a');
    store.database
      .statement('INSERT INTO leases (process, resource, sharing, created_at) VALUES (?, ?, ?, ?)')
      .run(`1-1-${'0'.repeat(32)}-1`, `layer:${layer}`, 'shared', Date.now());
    expect(run()).toMatchObject({ layers: 1 });
  });

  it('keeps what was used last within a size', async () => {
    const made: LayerId[] = [];
    for (const [index, name] of ['oldest', 'older', 'newest'].entries()) {
      const layer = await makeResult(name, 1_000_000);
      age(name, layer, 3 - index);
      made.push(layer);
    }
    expect(run({ keepBytes: 2_100_000 })).toMatchObject({ layers: 1, records: 1 });
    expect(made.map((layer) => layers.isDurable([layer]))).toEqual([false, true, true]);
    expect(run({ keepBytes: 2_100_000 })).toMatchObject({ layers: 0, bytes: 0 });
  });

  it('keeps what images are made of until their names go', async () => {
    const layer = await makeResult('a');
    const blob = await layers.blob(layer, { type: 'gzip' }, { signal });
    const config = content.put(Buffer.from('{}'));
    const manifest = Buffer.from(
      JSON.stringify({
        schemaVersion: 2,
        mediaType: MEDIA.ociManifest,
        config: { mediaType: 'application/vnd.oci.image.config.v1+json', digest: config, size: 2 },
        layers: [blob.descriptor],
      }),
    );
    const digest = content.put(manifest);
    images.put(
      'docker.io/library/app:latest',
      { mediaType: MEDIA.ociManifest, digest, size: manifest.length },
      'built',
    );
    const orphan = content.put(Buffer.from('nobody needs this'));

    expect(run()).toMatchObject({ layers: 1, blobs: 1, images: 0 });
    expect(content.size(orphan)).toBeUndefined();
    for (const kept of [config, digest, blob.descriptor.digest]) expect(content.size(kept)).toBeDefined();

    {
      using _build = leases.hold(['build:1']);
      expect(run({ images: 'remove' })).toMatchObject({ images: 0 });
    }
    expect(run({ images: 'remove' })).toMatchObject({ images: 1, blobs: 3 });
    expect(readdirSync(`${folder}/blobs/sha256`)).toEqual([]);
  });

  it('removes failed steps, Git repositories and cache mounts that were not used lately', async () => {
    const layer = await makeResult('a');
    const step = { description: 'RUN false', stack: [layer], process: {} as never, mounts: [], omitted: [] };
    const failedSteps = openFailedSteps(store.database);
    failedSteps.save(step, 1);
    mkdirSync(`${store.folder('git')}/old`);
    mkdirSync(`${store.folder('mounts')}/old-0`);
    utimesSync(`${folder}/git/old`, 1, 1);
    utimesSync(`${folder}/mounts/old-0`, 1, 1);
    expect(run({ unusedSince: Date.now() - DAY })).toMatchObject({
      gitRepositories: 1,
      cacheMounts: 1,
      failedSteps: 0,
    });
    expect(run()).toMatchObject({ layers: 1, failedSteps: 1 });
    expect(failedSteps.get('@last')).toBeUndefined();
  });
});

describe('failed steps', () => {
  it('are the newest, as many as are to be kept', () => {
    const failedSteps = openFailedSteps(store.database);
    const save = (description: string, limit: number) =>
      failedSteps.save({ description, stack: [], process: {} as never, mounts: [], omitted: [] }, limit);
    const first = save('first', 1);
    const [second, third] = [save('second', 2), save('third', 2)];
    expect(failedSteps.list().map(({ description }) => description)).toEqual(['third', 'second']);
    expect(failedSteps.get('@last')).toEqual(third);
    expect(failedSteps.get(second.id)).toEqual(second);
    expect(failedSteps.get(first.id)).toBeUndefined();
  });
});
