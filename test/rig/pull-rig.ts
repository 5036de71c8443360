import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { ContentStore } from '../../cache/content/content-store.ts';
import { openContentStore } from '../../cache/content/file-content-store.ts';
import { type ImageStore, openImageStore } from '../../cache/images/image-store.ts';
import { openStore } from '../../cache/store.ts';
import { createImageSources, type ImageSources, type ImageSourcesOptions } from '../../src/image/image-sources.ts';
import { RegistryClient, type RegistryOptions } from '../../src/registry/registry-client.ts';

/** A store in a temporary folder and image sources on it. Disposing removes all of it. */
export interface PullRig extends Disposable {
  readonly folder: string;
  readonly content: ContentStore;
  readonly images: ImageStore;
  readonly client: RegistryClient;
  /** How often the network was asked for. */
  connections(): number;
  /** The sources of another build on the same store. */
  sources(options?: Partial<ImageSourcesOptions>): ImageSources;
}

/** Retries that do not make a test wait. */
export const QUICK_RETRY = { attempts: 5, firstDelayMs: 1, longestDelayMs: 2000 };

/** Nobody's credentials and no proxy, unless `options` say so. */
export function testClient(options: Partial<RegistryOptions> = {}): RegistryClient {
  return new RegistryClient({
    env: {},
    credentials: async () => undefined,
    retry: QUICK_RETRY,
    idleTimeoutMs: 5000,
    ...options,
  });
}

export function openPullRig(options: Partial<RegistryOptions> = {}): PullRig {
  const folder = mkdtempSync(join(tmpdir(), 'slipway-pull-'));
  const store = openStore(join(folder, 'root'));
  const content = openContentStore(store);
  const images = openImageStore(store.database);
  const client = testClient(options);
  let connections = 0;
  const connect = async () => {
    connections++;
    return client;
  };
  return {
    folder,
    content,
    images,
    client,
    connections: () => connections,
    sources: (more = {}) =>
      createImageSources({ content, images, connect, pull: 'missing', cwd: folder, root: folder, ...more }),
    [Symbol.dispose]() {
      client[Symbol.dispose]();
      store[Symbol.dispose]();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}
