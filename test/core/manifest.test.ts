import { describe, expect, test } from 'vitest';
import { MEDIA } from '../../src/core/descriptor.ts';
import { digestOf } from '../../src/core/digest.ts';
import { parseManifest } from '../../src/core/manifest.ts';

const digest = digestOf('x');
const config = { mediaType: MEDIA.ociConfig, digest, size: 1 };
const manifest = { schemaVersion: 2, mediaType: MEDIA.ociManifest, config, layers: [] };
const index = {
  schemaVersion: 2,
  mediaType: MEDIA.ociIndex,
  manifests: [{ ...manifest.config, mediaType: MEDIA.ociManifest }],
};

const parse = (document: unknown, mediaType?: string) =>
  parseManifest(Buffer.from(typeof document === 'string' ? document : JSON.stringify(document)), 'image x', mediaType);

describe('parseManifest', () => {
  test('tells manifests and indexes of both formats apart', () => {
    expect(parse(manifest).kind).toBe('manifest');
    expect(parse(index).kind).toBe('index');
    expect(parse({ ...manifest, mediaType: MEDIA.dockerManifest }, MEDIA.dockerManifest).kind).toBe('manifest');
    expect(parse({ ...index, mediaType: MEDIA.dockerList }, MEDIA.dockerList).kind).toBe('index');
  });

  test('takes the type from the sender, from the document, or from its members', () => {
    const { mediaType: _manifest, ...bareManifest } = manifest;
    const { mediaType: _index, ...bareIndex } = index;
    expect(parse(bareManifest)).toMatchObject({ manifest: { mediaType: MEDIA.ociManifest } });
    expect(parse(bareIndex)).toMatchObject({ index: { mediaType: MEDIA.ociIndex } });
    expect(parse(bareManifest, MEDIA.dockerManifest)).toMatchObject({ manifest: { mediaType: MEDIA.dockerManifest } });
  });

  test('keeps what descriptors say', () => {
    const platform = { os: 'linux', architecture: 'arm', variant: 'v7' };
    const layer = { ...config, mediaType: MEDIA.ociLayerGzip, urls: ['https://x/y'], annotations: { a: 'b' } };
    expect(parse({ ...manifest, layers: [layer] })).toMatchObject({ manifest: { layers: [layer] } });
    expect(parse({ ...index, manifests: [{ ...config, platform }] })).toMatchObject({
      index: { manifests: [{ platform }] },
    });
  });

  test('takes null for nothing, as Go writes it', () => {
    expect(parse({ ...manifest, layers: null, annotations: null })).toMatchObject({ manifest: { layers: [] } });
  });

  const INVALID: readonly (readonly [
    what: string,
    document: unknown,
    mediaType: string | undefined,
    message: string,
  ])[] = [
    ['no JSON', '{"a":', undefined, 'it is not JSON'],
    ['HTML', '<html>', MEDIA.ociManifest, 'it is not JSON (it begins "<html>")'],
    ['a list', [], undefined, 'the manifest is not an object'],
    ['null', null, undefined, 'the manifest is not an object'],
    ['no schema version', { ...manifest, schemaVersion: undefined }, undefined, '"schemaVersion" is nothing'],
    ['another schema version', { ...manifest, schemaVersion: 3 }, undefined, '"schemaVersion" is 3, expected 2'],
    ['members of both kinds', { ...manifest, manifests: [] }, undefined, 'of an index and of a manifest at once'],
    ['another type than it was sent as', manifest, MEDIA.dockerManifest, 'but calls itself'],
    [
      'an index sent as a manifest',
      { schemaVersion: 2, manifests: [] },
      MEDIA.ociManifest,
      'has the members of an index',
    ],
    ['a manifest sent as an index', { schemaVersion: 2, config, layers: [] }, MEDIA.ociIndex, 'members of a manifest'],
    ['an unknown type', { ...manifest, mediaType: 'text/x' }, undefined, 'text/x is neither'],
    ['layers that are no list', { ...manifest, layers: {} }, undefined, '"layers" is not an array'],
    ['no config', { ...manifest, config: undefined }, undefined, '"config" is not an object'],
    [
      'a path for a digest',
      { ...manifest, config: { ...config, digest: '../../etc/passwd' } },
      undefined,
      'expected a sha256 digest',
    ],
    [
      'an upper-case digest',
      { ...manifest, config: { ...config, digest: digest.toUpperCase() } },
      undefined,
      'expected a sha256',
    ],
    ['a negative size', { ...manifest, config: { ...config, size: -1 } }, undefined, 'is not a whole number'],
    [
      'a size beyond counting',
      { ...manifest, config: { ...config, size: 2 ** 60 } },
      undefined,
      'is not a whole number',
    ],
    ['no size', { ...manifest, config: { ...config, size: null } }, undefined, '"config" has no size'],
    ['no media type', { ...manifest, config: { ...config, mediaType: '' } }, undefined, '"config" has no media type'],
    ['urls that are no texts', { ...manifest, config: { ...config, urls: [1] } }, undefined, 'not a string'],
    [
      'a platform that is a text',
      { ...index, manifests: [{ ...config, platform: 'linux' }] },
      undefined,
      'is not an object',
    ],
  ];
  test.each(INVALID)('refuses %s', (_what, document, mediaType, message) => {
    expect(() => parse(document, mediaType)).toThrowError(
      expect.objectContaining({ code: 'SLIPWAY_IMAGE_INVALID', message: expect.stringMatching(/^image x: /) }),
    );
    expect(() => parse(document, mediaType)).toThrowError(message);
  });

  test.each([
    [{ schemaVersion: 1, fsLayers: [] }, undefined],
    [{ schemaVersion: 1 }, 'application/vnd.docker.distribution.manifest.v1+prettyjws'],
  ])('says what to do about schema 1', (document, mediaType) => {
    expect(() => parse(document, mediaType)).toThrowError(
      expect.objectContaining({
        code: 'SLIPWAY_IMAGE_UNSUPPORTED',
        hint: expect.stringContaining('push the image again'),
      }),
    );
  });

  test('says what is wrong with lists in lists of any depth', () => {
    const document = JSON.stringify({ ...manifest, config: { ...config, digest: 'deep' } });
    const deep = `${'['.repeat(1e5)}${']'.repeat(1e5)}`;
    expect(() => parse(document.replace('"deep"', deep))).toThrowError('the digest of "config" is an array');
  });

  test('refuses more than 4 MiB without parsing it', () => {
    expect(() => parse(`{"a":"${'x'.repeat(5e6)}"}`)).toThrowError('more than 4194304 bytes');
  });
});
