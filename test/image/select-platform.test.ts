import { expect, test } from 'vitest';
import { type Descriptor, MEDIA } from '../../src/core/descriptor.ts';
import { digestOf } from '../../src/core/digest.ts';
import { type Platform, parsePlatform } from '../../src/core/platform.ts';
import { imageManifests, isCompatible, manifestsFor } from '../../src/image/select-platform.ts';

/** `os/architecture[/variant]` as written in an index, not normalised; `-` is no platform. */
function descriptor(text: string, more: Partial<Descriptor> = {}): Descriptor {
  const [os = '', architecture = '', variant] = text.split('/');
  const platform: Platform = { os, architecture, ...(variant === undefined ? {} : { variant }) };
  const named = text === '-' ? {} : { platform };
  return {
    mediaType: MEDIA.ociManifest,
    digest: digestOf(text),
    size: 1,
    ...named,
    annotations: { name: text },
    ...more,
  };
}

function select(wanted: string, offered: readonly string[]): readonly string[] {
  const manifests = offered.map((text) => descriptor(text));
  const index = { schemaVersion: 2, mediaType: MEDIA.ociIndex, manifests } as const;
  return manifestsFor(index, parsePlatform(wanted)).map((manifest) => manifest.annotations?.name ?? '');
}

/** [wanted, in the index, taken, best first]: the results of containerd's platforms.Only */
const CASES: readonly (readonly [string, readonly string[], readonly string[]])[] = [
  ['linux/amd64', ['linux/arm64/v8', 'linux/amd64'], ['linux/amd64']],
  ['linux/amd64', ['linux/386', 'linux/amd64'], ['linux/amd64', 'linux/386']],
  ['linux/amd64', ['linux/amd64/v3', 'linux/amd64'], ['linux/amd64']],
  ['linux/amd64/v3', ['linux/amd64', 'linux/amd64/v2', 'linux/amd64/v4'], ['linux/amd64/v2', 'linux/amd64']],
  ['linux/amd64', ['linux/x86_64'], ['linux/x86_64']],
  ['linux/amd64', ['windows/amd64', 'darwin/amd64'], []],
  ['linux/arm64', ['linux/arm64', 'linux/arm64/v8'], ['linux/arm64', 'linux/arm64/v8']],
  ['linux/arm64', ['linux/arm64/v8.0'], ['linux/arm64/v8.0']],
  ['linux/arm64', ['linux/arm/v7', 'linux/arm/v6', 'linux/arm/v8'], ['linux/arm/v8', 'linux/arm/v7', 'linux/arm/v6']],
  ['linux/arm64', ['linux/arm64/v9'], []],
  ['linux/arm64/v9', ['linux/arm64/v8', 'linux/arm64/v9'], ['linux/arm64/v9', 'linux/arm64/v8']],
  ['linux/arm64/v8.2', ['linux/arm64/v8.3', 'linux/arm64/v8.1', 'linux/arm64'], ['linux/arm64/v8.1', 'linux/arm64']],
  ['linux/arm/v7', ['linux/arm/v5', 'linux/arm/v6', 'linux/arm/v7'], ['linux/arm/v7', 'linux/arm/v6', 'linux/arm/v5']],
  ['linux/arm/v7', ['linux/arm64/v8', 'linux/arm/v8'], []],
  ['linux/arm', ['linux/arm'], ['linux/arm']],
  ['linux/arm/v6', ['linux/arm/v7', 'linux/arm/v6'], ['linux/arm/v6']],
  ['linux/arm/v6', ['linux/arm'], []],
  ['linux/s390x', ['linux/amd64', 'linux/s390x'], ['linux/s390x']],
  ['linux/amd64', ['unknown/unknown', 'linux/amd64'], ['linux/amd64']],
  ['linux/amd64', ['-', 'linux/amd64'], ['linux/amd64', '-']],
  ['linux/amd64', ['LINUX/AMD64'], ['LINUX/AMD64']],
];

test.each(CASES)('for %s, of %j', (wanted, offered, expected) => {
  expect(select(wanted, offered)).toEqual(expected);
});

test('an image that needs features of the system is not taken for one that has none', () => {
  const platform = { os: 'linux', architecture: 'amd64', 'os.features': ['gpu'] };
  expect(isCompatible(parsePlatform('linux/amd64'), platform)).toBe(false);
  expect(isCompatible({ ...platform, 'os.features': ['gpu', 'x'] }, platform)).toBe(true);
});

test('attestations are no images, whatever platform they claim', () => {
  const annotations = { 'vnd.docker.reference.type': 'attestation-manifest' };
  const manifests = [
    descriptor('linux/amd64', { annotations }),
    descriptor('unknown/unknown'),
    descriptor('linux/arm64'),
  ];
  const index = { schemaVersion: 2, mediaType: MEDIA.ociIndex, manifests } as const;
  expect(imageManifests(index)).toEqual([manifests[2]]);
});
