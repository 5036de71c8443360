import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdirSync, readdirSync, readFileSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Writable } from 'node:stream';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { validateImage } from '../../src/image/validate.ts';
import { AMD64, ARM64, type Exported, openExportRig, resultOf } from './export-rig.ts';

const LAYERS = [
  { '/etc': { folder: true }, '/etc/app': { text: 'one\n' }, '/etc/link': { symlink: 'app' } },
  { '/etc': { folder: true }, '/etc/app': { removed: true }, '/new': { text: 'x'.repeat(3_000_000) } },
] as const;

let rig: Exported;
beforeEach(() => {
  rig = openExportRig();
});
afterEach(() => rig[Symbol.dispose]());

const at = (name: string) => join(rig.folder, name);
const fileDigest = (name: string) =>
  createHash('sha256')
    .update(readFileSync(at(name)))
    .digest('hex');

describe('type=oci', () => {
  it('writes a valid layout whose tar GNU tar lists', async () => {
    await rig.run({ type: 'oci', dest: 'app.tar', attributes: {} }, [resultOf(rig, LAYERS)]);
    expect(await validateImage(at('app.tar'))).toEqual([]);
    const listed = execFileSync('tar', ['-tf', at('app.tar')], { encoding: 'utf8' }).split('\n');
    expect(listed.slice(0, 2)).toEqual(['blobs/', 'blobs/sha256/']);
    expect(listed.slice(-3)).toEqual(['index.json', 'oci-layout', '']);
  });

  it('names the image by its tags for containerd and skopeo', async () => {
    const tags = ['docker.io/library/app:v1', 'localhost:5000/app:v2'];
    await rig.run({ type: 'oci', dest: 'app', attributes: { tar: 'false' } }, [resultOf(rig, LAYERS)], { tags });
    const index = JSON.parse(readFileSync(at('app/index.json'), 'utf8'));
    expect(index.manifests.map((one: { annotations: object }) => one.annotations)).toEqual([
      expect.objectContaining({ 'io.containerd.image.name': tags[0], 'org.opencontainers.image.ref.name': 'v1' }),
      expect.objectContaining({ 'io.containerd.image.name': tags[1], 'org.opencontainers.image.ref.name': 'v2' }),
    ]);
    expect(await validateImage(at('app'))).toEqual([]);
  });

  it('adds to a layout folder that is there, and replaces the image of the same name', async () => {
    const spec = { type: 'oci', dest: 'layout', attributes: { tar: 'false' } } as const;
    await rig.run(spec, [resultOf(rig, [LAYERS[0]])], { tags: ['docker.io/library/a:1'] });
    await rig.run(spec, [resultOf(rig, LAYERS)], { tags: ['docker.io/library/b:2'] });
    await rig.run(spec, [resultOf(rig, [LAYERS[1]])], { tags: ['docker.io/library/a:1'] });
    const names = JSON.parse(readFileSync(at('layout/index.json'), 'utf8')).manifests.map(
      (one: { annotations: Record<string, string> }) => one.annotations['io.containerd.image.name'],
    );
    expect(names).toEqual(['docker.io/library/b:2', 'docker.io/library/a:1']);
  });

  it('puts several platforms under one index', async () => {
    const results = [resultOf(rig, LAYERS, AMD64), resultOf(rig, [LAYERS[0]], ARM64)];
    const summary = await rig.run({ type: 'oci', dest: 'multi.tar', attributes: {} }, results);
    expect(await validateImage(at('multi.tar'))).toEqual([]);
    expect(rig.content.read(summary.digest as never).toString()).toContain('"architecture": "arm64"');
  });

  it.each(['gzip', 'zstd', 'uncompressed'])('writes %s layers that are valid', async (compression) => {
    await rig.run({ type: 'oci', dest: 'c.tar', attributes: { compression } }, [resultOf(rig, LAYERS)]);
    expect(await validateImage(at('c.tar'))).toEqual([]);
  });

  it('gives the same bytes for the same result, and clamps times to SOURCE_DATE_EPOCH', async () => {
    for (const dest of ['a.tar', 'b.tar'])
      await rig.run({ type: 'oci', dest, attributes: {} }, [resultOf(rig, LAYERS)], { epoch: 1_500_000_000 });
    expect(fileDigest('a.tar')).toBe(fileDigest('b.tar'));
    expect(readFileSync(at('a.tar'), 'latin1')).toContain('"created":"2017-07-14T02:40:00Z"');
  });

  it('has an image of no layers', async () => {
    await rig.run({ type: 'oci', dest: 'empty.tar', attributes: {} }, [resultOf(rig, [])]);
    expect(await validateImage(at('empty.tar'))).toEqual([]);
  });

  it('has a layer that is there twice in one blob', async () => {
    const once = resultOf(rig, [LAYERS[0]]);
    const entry = { created_by: 'again' };
    const twice = {
      ...once,
      stack: [...once.stack, ...once.stack],
      config: { ...once.config, history: [entry, entry] },
    };
    await rig.run({ type: 'oci', dest: 'twice.tar', attributes: {} }, [twice]);
    expect(await validateImage(at('twice.tar'))).toEqual([]);
  });

  it('streams to standard output', async () => {
    const chunks: Buffer[] = [];
    const stdout = new Writable({
      write: (chunk: Buffer, _encoding, done) => {
        chunks.push(Buffer.from(chunk));
        setImmediate(done);
      },
    });
    await rig.run({ type: 'oci', dest: '-', attributes: {} }, [resultOf(rig, LAYERS)], { stdout });
    writeFileSync(at('out.tar'), Buffer.concat(chunks));
    expect(await validateImage(at('out.tar'))).toEqual([]);
  });

  it('reports a closed standard output', async () => {
    const stdout = new Writable({
      write: (_chunk, _encoding, done) => done(Object.assign(new Error('write EPIPE'), { code: 'EPIPE' })),
    });
    stdout.on('error', () => {});
    await expect(
      rig.run({ type: 'oci', dest: '-', attributes: {} }, [resultOf(rig, LAYERS)], { stdout }),
    ).rejects.toMatchObject({ code: 'SLIPWAY_OUTPUT_CLOSED' });
  });

  it('never writes onto a terminal', async () => {
    const stdout = Object.assign(new Writable(), { isTTY: true });
    await expect(rig.run({ type: 'oci', attributes: {} }, [resultOf(rig, LAYERS)], { stdout })).rejects.toMatchObject({
      code: 'SLIPWAY_OPTION_INVALID',
    });
  });
});

describe('the destination of an archive', () => {
  it('is as it was after a failed export, without leftovers', async () => {
    writeFileSync(at('old.tar'), 'old');
    const result = resultOf(rig, LAYERS);
    const controller = new AbortController();
    const broken = { ...rig.content, path: () => undefined };
    const { createExporter } = await import('../../src/export/create-exporter.ts');
    const { assembleImages } = await import('../../src/image/assemble.ts');
    const services = {
      cwd: rig.folder,
      layers: rig.layers,
      content: broken,
      tagImage: () => {},
      pushImage: async () => {},
    };
    const exporter = createExporter(
      { type: 'oci', dest: 'old.tar', attributes: {} },
      { tags: [], annotations: [], allow: [] },
      services,
    );
    if (exporter.kind !== 'image') throw new Error('expected an image exporter');
    const images = await assembleImages([result], { ...rig, form: exporter.form, now: 0, signal: controller.signal });
    const context = { signal: controller.signal, progress: { emit: () => {} }, stepId: 's' };
    await expect(exporter.export(images, context)).rejects.toThrow('not in the content store');
    expect(readFileSync(at('old.tar'), 'utf8')).toBe('old');
    expect(readdirSync(rig.folder).sort()).toEqual(['old.tar', 'store']);
  });

  it('keeps the mode of the file that it replaces and the symlink that leads to it', async () => {
    writeFileSync(at('real.tar'), 'old', { mode: 0o600 });
    symlinkSync('real.tar', at('link.tar'));
    await rig.run({ type: 'oci', dest: 'link.tar', attributes: {} }, [resultOf(rig, LAYERS)]);
    expect(statSync(at('real.tar')).mode & 0o777).toBe(0o600);
    expect(await validateImage(at('real.tar'))).toEqual([]);
  });

  it('is a folder only for outputs of many files', async () => {
    mkdirSync(at('folder'));
    await expect(rig.run({ type: 'oci', dest: 'folder', attributes: {} }, [resultOf(rig, LAYERS)])).rejects.toThrow(
      'is a folder',
    );
  });

  it('can be a fifo', async () => {
    execFileSync('mkfifo', [at('pipe')]);
    const { spawn } = await import('node:child_process');
    const reader = spawn('sh', ['-c', 'cat "$0" > "$1"', at('pipe'), at('copy.tar')]);
    const ended = new Promise((resolve) => reader.on('close', resolve));
    await rig.run({ type: 'oci', dest: 'pipe', attributes: {} }, [resultOf(rig, LAYERS)]);
    await ended;
    expect(await validateImage(at('copy.tar'))).toEqual([]);
  });
});

describe('type=docker', () => {
  it('adds the manifest.json that docker load reads', async () => {
    const tags = ['docker.io/library/app:latest', 'docker.io/me/app:1', 'localhost:5000/app:2'];
    await rig.run({ type: 'docker', dest: 'app.tar', attributes: {} }, [resultOf(rig, LAYERS)], { tags });
    expect(await validateImage(at('app.tar'))).toEqual([]);
    const text = execFileSync('tar', ['-xOf', at('app.tar'), 'manifest.json'], { encoding: 'utf8' });
    expect(JSON.parse(text)[0].RepoTags).toEqual(['app:latest', 'me/app:1', 'localhost:5000/app:2']);
  });

  it('can have docker media types', async () => {
    const spec = { type: 'docker', dest: 'app.tar', attributes: { 'oci-mediatypes': 'false' } } as const;
    await rig.run(spec, [resultOf(rig, LAYERS)]);
    expect(await validateImage(at('app.tar'))).toEqual([]);
    expect(readFileSync(at('app.tar'), 'latin1')).toContain('application/vnd.docker.distribution.manifest.v2+json');
  });

  it('refuses several platforms', async () => {
    const results = [resultOf(rig, LAYERS, AMD64), resultOf(rig, LAYERS, ARM64)];
    await expect(rig.run({ type: 'docker', dest: 'app.tar', attributes: {} }, results)).rejects.toMatchObject({
      code: 'SLIPWAY_OUTPUT_ONE_PLATFORM',
    });
  });
});

describe('type=image', () => {
  it('names the image in the local store', async () => {
    const summary = await rig.run({ type: 'image', attributes: { name: 'app,app:2' } }, [resultOf(rig, LAYERS)]);
    expect([...rig.tagged]).toEqual([
      ['docker.io/library/app:latest', summary.digest],
      ['docker.io/library/app:2', summary.digest],
    ]);
    expect(rig.pushed).toEqual([]);
  });

  it('pushes to the registries of its tags', async () => {
    const tags = ['localhost:5000/app:1'];
    await rig.run({ type: 'registry', attributes: { store: 'false' } }, [resultOf(rig, LAYERS)], { tags });
    expect([[...rig.tagged], rig.pushed]).toEqual([[], tags]);
  });

  it('cannot be pushed without a name', async () => {
    await expect(
      rig.run({ type: 'image', attributes: { push: 'true' } }, [resultOf(rig, LAYERS)]),
    ).rejects.toMatchObject({ code: 'SLIPWAY_OPTION_INVALID' });
  });
});
