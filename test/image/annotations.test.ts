import { describe, expect, it } from 'vitest';
import { annotationsOf, checkAnnotations, parseAnnotation } from '../../src/image/annotations.ts';

const amd64 = { os: 'linux', architecture: 'amd64' };
const arm64 = { os: 'linux', architecture: 'arm64' };

describe('--annotation', () => {
  it.each([
    ['a=b', [{ target: 'manifest', key: 'a', value: 'b' }]],
    ['index:a=b:c=d', [{ target: 'index', key: 'a', value: 'b:c=d' }]],
    [
      'manifest[linux/arm64],index-descriptor:a=',
      [
        { target: 'manifest', platform: arm64, key: 'a', value: '' },
        { target: 'index-descriptor', key: 'a', value: '' },
      ],
    ],
  ])('%s', (text, annotations) => {
    expect(parseAnnotation(text)).toEqual(annotations);
  });

  it.each(['a', '=b', 'moon:a=b', 'manifest[:a=b', 'manifest[no/such/thing/x]:a=b'])('refuses %s', (text) => {
    expect(() => parseAnnotation(text)).toThrow();
  });

  it('applies to the platforms that it names', () => {
    const annotations = ['a=all', 'manifest[linux/arm64]:a=arm'].flatMap(parseAnnotation);
    expect(annotationsOf(annotations, 'manifest', amd64)).toEqual({ a: 'all' });
    expect(annotationsOf(annotations, 'manifest', arm64)).toEqual({ a: 'arm' });
    expect(annotationsOf(annotations, 'index')).toBeUndefined();
  });

  it('is refused where it would stand nowhere', () => {
    expect(() => checkAnnotations(parseAnnotation('manifest[linux/arm64]:a=b'), [amd64])).toThrow('is not built');
    expect(() => checkAnnotations(parseAnnotation('index:a=b'), [amd64])).toThrow('of one platform has none');
    expect(() => checkAnnotations(parseAnnotation('index:a=b'), [amd64, arm64])).not.toThrow();
  });
});
