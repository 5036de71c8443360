/**
 * Unpacks the layer whose tar is on standard input into a store at the folder that is the first argument, makes its blob again from
 * the folder, and prints what it found as JSON.
 */
import { readFileSync } from 'node:fs';
import { openContentStore } from '../../../cache/content/file-content-store.ts';
import { createLayerStore } from '../../../cache/layers/create-layer-store.ts';
import { openLeases } from '../../../cache/leases.ts';
import { openStore } from '../../../cache/store.ts';
import { MEDIA } from '../../../src/core/descriptor.ts';
import { type DiffID, digestOf } from '../../../src/core/digest.ts';

const tar = readFileSync(0);
using store = openStore(process.argv[2] ?? '');
const content = openContentStore(store);
const layers = createLayerStore({ store, content, leases: openLeases(store.database) });
const { signal } = new AbortController();
const descriptor = { mediaType: MEDIA.ociLayer, digest: content.put(tar), size: tar.length };
const pulled = layers.addBlob(descriptor, digestOf(tar) as DiffID, { fetch: async () => {} });
const entries = await layers.entries(pulled, signal);
const again = await layers.blob(layers.addTree(entries), { type: 'uncompressed' }, { signal });
console.log(JSON.stringify({ prefix: layers.overlayXattrPrefix(), diffId: again.diffId }));
