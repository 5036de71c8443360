import { describe, expect, it } from 'vitest';
import { createExporter, type ExporterServices } from '../../src/export/create-exporter.ts';
import type { OutputSpec } from '../../src/export/output-spec.ts';

// Nothing is exported here, so no service is used.
const services = { cwd: '/nowhere', tagImage: () => {}, pushImage: async () => {} } as unknown as ExporterServices;

function exporterOf(type: OutputSpec['type'], attributes: Record<string, string>, allow: readonly string[] = []) {
  const dest = ['image', 'registry', 'cacheonly'].includes(type) ? {} : { dest: 'out' };
  return createExporter(
    { type, attributes, ...dest },
    { tags: ['docker.io/library/a:1'], annotations: [], allow },
    services,
  );
}

function formOf(attributes: Record<string, string>) {
  const exporter = exporterOf('oci', attributes);
  if (exporter.kind !== 'image') throw new Error('expected an image exporter');
  return exporter.form;
}

describe('attributes of --output', () => {
  it('have defaults', () => {
    expect(formOf({})).toEqual({
      compression: { type: 'gzip' },
      mediaTypes: 'oci',
      annotations: [],
      clampFileTimes: true,
    });
  });

  it('are read with their types', () => {
    const attributes = {
      compression: 'zstd',
      'compression-level': '19',
      'force-compression': '',
      'rewrite-timestamp': 'false',
      'source-date-epoch': '12',
      'annotation-manifest[linux/amd64].org.example.a': 'b=c',
    };
    expect(formOf(attributes)).toEqual({
      compression: { type: 'zstd', level: 19, force: true },
      mediaTypes: 'oci',
      annotations: [
        { target: 'manifest', platform: { os: 'linux', architecture: 'amd64' }, key: 'org.example.a', value: 'b=c' },
      ],
      clampFileTimes: false,
      epoch: 12,
    });
  });

  it.each<[OutputSpec['type'], Record<string, string>, string]>([
    ['oci', { color: 'red' }, 'unknown attribute "color"'],
    ['tar', { compression: 'gzip' }, 'unknown attribute "compression"'],
    ['cacheonly', { name: 'x' }, 'unknown attribute "name"'],
    ['oci', { compression: 'brotli' }, 'expected one of gzip, zstd, estargz, uncompressed, got "brotli"'],
    ['oci', { 'compression-level': '10' }, 'expected a whole number from -1 to 9'],
    ['oci', { 'force-compression': 'maybe' }, 'expected true or false, got "maybe"'],
    ['oci', { compression: 'zstd', 'oci-mediatypes': 'false' }, 'compression=zstd needs OCI media types'],
    ['oci', { 'annotation.a': 'b', 'oci-mediatypes': 'false' }, 'an annotation needs OCI media types'],
    ['oci', { 'annotation-moon.a': 'b' }, 'unknown target "moon"'],
    ['oci', { 'source-date-epoch': 'today' }, 'expected a whole number'],
    ['image', { unpack: 'true' }, 'layers are unpacked when a step needs them'],
    ['image', { name: 'UPPER' }, 'must be lowercase'],
    ['docker', { tar: 'false' }, 'docker loads no folders'],
    ['local', { mode: 'delete' }, 'mode=delete removes files'],
  ])('of type=%s refuse %o', (type, attributes, message) => {
    const tags = type === 'image' ? [] : ['docker.io/library/a:1'];
    const dest = ['image', 'cacheonly'].includes(type) ? {} : { dest: 'out' };
    const create = () => createExporter({ type, attributes, ...dest }, { tags, annotations: [], allow: [] }, services);
    expect(create).toThrow(message);
    expect(create).toThrow(expect.objectContaining({ code: expect.stringMatching(/^SLIPWAY_(OPTION|REFERENCE)_/) }));
  });

  it('that ask for nothing are taken although the rest of their values is not supported', () => {
    expect(exporterOf('image', { unpack: 'false', 'oci-artifact': 'false' }).kind).toBe('image');
    expect(exporterOf('local', { mode: 'delete' }, ['buildx.local.delete']).kind).toBe('files');
  });

  it('that are unknown are answered with the known ones', () => {
    expect(() => exporterOf('tar', { x: '1' })).toThrow(
      expect.objectContaining({ hint: 'this type knows: attestation-prefix, platform-split, source-date-epoch' }),
    );
  });
});
