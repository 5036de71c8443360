import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { ImageForm } from '../../src/image/assemble.ts';
import { assembleImages } from '../../src/image/assemble.ts';
import { NOW, resultOf } from '../export/export-rig.ts';
import { type LayerRig, openLayerRig } from '../rig/layers.ts';

const FORM: ImageForm = { compression: { type: 'gzip' }, mediaTypes: 'oci', annotations: [], clampFileTimes: true };
const FILES = [{ '/a': { text: 'a', mtime: 2_000_000_000 } }];

let rig: LayerRig;
beforeEach(() => {
  rig = openLayerRig();
});
afterEach(() => rig[Symbol.dispose]());

function assemble(
  options: { readonly form?: Partial<ImageForm>; readonly now?: number; readonly epoch?: number } = {},
) {
  const { form, now = NOW, ...rest } = options;
  const signal = new AbortController().signal;
  const { layers, content } = rig;
  return assembleImages([resultOf(rig, FILES)], { layers, content, form: { ...FORM, ...form }, now, signal, ...rest });
}

describe('assembleImages', () => {
  it('gives equal digests for equal results, whenever it is called with an epoch', async () => {
    const first = await assemble({ epoch: 1_000_000_000, now: 1 });
    const second = await assemble({ epoch: 1_000_000_000, now: 2 });
    expect(second.root).toEqual(first.root);
  });

  it('pins the manifest of a known result', async () => {
    const { root, images } = await assemble({ epoch: 1_000_000_000, form: { compression: { type: 'uncompressed' } } });
    expect(images[0]?.layers[0]?.diffId).toBe(
      'sha256:9874844d94a935f5b456f93acef434923847176ee73afe82c5aeb722d3038529',
    );
    expect(root.digest).toBe('sha256:8b248d84642899ecdb125e9553a636bddea2db71192fceeda032b2118cfc4141');
  });

  it('writes times of files as they are when clamping is off', async () => {
    const clamped = await assemble({ epoch: 1_000_000_000 });
    const kept = await assemble({ epoch: 1_000_000_000, form: { clampFileTimes: false } });
    expect(kept.images[0]?.layers).not.toEqual(clamped.images[0]?.layers);
  });

  it('puts an epoch of the output before that of the build', async () => {
    const { images } = await assemble({ epoch: 1_000_000_000, form: { epoch: 0 } });
    expect(images[0]?.imageConfig.created).toBe('1970-01-01T00:00:00Z');
  });

  it('keeps what only docker knows in the config', async () => {
    const { images } = await assemble();
    const config = JSON.parse(rig.content.read(images[0]?.config.digest as never).toString());
    expect(config).toMatchObject({ config: { Cmd: ['sh'] }, os: 'linux' });
  });

  it('annotates manifest and descriptor', async () => {
    const annotations = [
      { target: 'manifest', key: 'a', value: '1' },
      { target: 'manifest-descriptor', key: 'b', value: '2' },
    ] as const;
    const { root } = await assemble({ form: { annotations } });
    expect(root.annotations).toEqual({ b: '2' });
    expect(JSON.parse(rig.content.read(root.digest).toString()).annotations).toEqual({ a: '1' });
  });

  it('waits for all layers before it reports that one failed', async () => {
    const result = resultOf(rig, [...FILES, ...FILES, ...FILES]);
    let running = 0;
    const layers = {
      ...rig.layers,
      async blob() {
        const isFirst = running++ === 0;
        if (isFirst) throw new Error('first');
        await new Promise((resolve) => setTimeout(resolve, 20));
        running--;
        throw new Error('later');
      },
    };
    const signal = new AbortController().signal;
    await expect(
      assembleImages([result], { layers, content: rig.content, form: FORM, now: NOW, signal }),
    ).rejects.toThrow('first');
    expect(running).toBe(1);
  });

  it('gives a cached result the same image, whenever it is assembled', async () => {
    const result = resultOf(rig, FILES);
    const { layers, content } = rig;
    const signal = new AbortController().signal;
    const assembleAt = (now: number) => assembleImages([result], { layers, content, form: FORM, now, signal });
    expect((await assembleAt(NOW + 5000)).root).toEqual((await assembleAt(NOW)).root);
  });
});
