import { describe, expect, it } from 'vitest';
import type { LayerId, LayerStore } from '../cache/layers/layer-store.ts';
import type { Vertex } from '../solver/vertex.ts';
import { EarlyBlobs, verticesBelow } from '../src/early-blobs.ts';
import type { ImageForm } from '../src/image/assemble.ts';
import { fake } from './solver/fake-ops.ts';

const FORM: ImageForm = { compression: { type: 'gzip' }, mediaTypes: 'oci', annotations: [], clampFileTimes: true };
const [one, two] = ['1', '2'] as [LayerId, LayerId];

/** A store of which only `blob` is used: asked for one, it answers when `answer` does. */
function storeOf(answer: (signal: AbortSignal) => Promise<void>) {
  const asked: unknown[] = [];
  const layers = {
    blob: async (layer: LayerId, { type }: { type: string }, options: { epoch?: number; signal: AbortSignal }) => {
      asked.push([layer, type, options.epoch]);
      await answer(options.signal);
    },
  } as unknown as LayerStore;
  return { layers, asked };
}

function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((_resolve, reject) => signal.addEventListener('abort', () => reject(signal.reason)));
}

const { signal } = new AbortController();

describe('blobs that are made early', () => {
  it('are asked for once a layer and output, with the epoch of an output that clamps', async () => {
    const { layers, asked } = storeOf(async () => {});
    const zstd: ImageForm = { ...FORM, compression: { type: 'zstd' }, clampFileTimes: false };
    await using early = new EarlyBlobs({ layers, forms: [FORM, zstd], epoch: 7, signal });
    early.begin([one]);
    early.begin([one, two]);
    expect(asked).toEqual([
      [one, 'gzip', 7],
      [one, 'zstd', undefined],
      [two, 'gzip', 7],
      [two, 'zstd', undefined],
    ]);
  });

  it('are ended when nobody needs them any more, and waited for', async () => {
    let isEnded = false;
    const { layers } = storeOf((ends) =>
      aborted(ends).finally(() => {
        isEnded = true;
      }),
    );
    {
      await using early = new EarlyBlobs({ layers, forms: [FORM], signal });
      early.begin([one]);
      expect(isEnded).toBe(false);
    }
    expect(isEnded).toBe(true);
  });

  it('fail in silence, because the output asks again', async () => {
    const { layers } = storeOf(() => Promise.reject(new Error('no')));
    await using early = new EarlyBlobs({ layers, forms: [FORM], signal });
    early.begin([one]);
  });
});

describe('the vertices below a root', () => {
  const file = (name: string, inputs: Vertex[], root: number | 'scratch'): Vertex => {
    const vertex = fake(name, inputs);
    return { ...vertex, op: { kind: 'file', root, actions: [] } };
  };

  it('are those whose layers it has: no stage that files come from', () => {
    const base = fake('base');
    const stage = file('stage', [base], 0);
    const alone = file('alone', [], 'scratch');
    const copy = file('copy', [stage, base], 1);
    const merge: Vertex = { ...fake('merge', [copy, alone]), op: { kind: 'merge' } };
    const names = new Map([base, stage, alone, copy, merge].map((vertex) => [vertex.digest as string, vertex]));
    const found = [...verticesBelow([merge])].map((digest) => names.get(digest)?.options.name);
    expect(found.toSorted()).toEqual(['alone', 'base', 'copy', 'merge']);
  });
});
