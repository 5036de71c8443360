import { mkdirSync, writeFileSync } from 'node:fs';
import { gzipSync } from 'node:zlib';
import { type Descriptor, type ImageManifest, MEDIA } from '../../src/core/descriptor.ts';
import { type DiffID, type Digest, digestOf, hexOf } from '../../src/core/digest.ts';
import type { ContainerConfig } from '../../src/core/image-config.ts';
import type { Platform } from '../../src/core/platform.ts';
import type { TestRegistry } from './registry.ts';

/** A file of a test layer: a path without a leading slash, which ends in a slash for a folder; `link` makes a symlink. */
export interface TestFile {
  readonly path: string;
  readonly text?: string;
  readonly bytes?: Uint8Array;
  readonly mode?: number;
  readonly link?: string;
}

export interface TestImageOptions {
  /** Lowest first. Default: one layer with `etc/hello`. */
  readonly layers?: readonly (readonly TestFile[])[];
  readonly config?: ContainerConfig;
  readonly platform?: Platform;
  readonly format?: 'oci' | 'docker';
  /** What its history says of every layer. */
  readonly createdBy?: string;
}

/** A valid image in memory: every blob of it, and its manifest. */
export interface TestImage {
  readonly manifest: Descriptor;
  readonly manifestBytes: Buffer;
  readonly config: Descriptor;
  readonly layers: readonly Descriptor[];
  readonly diffIds: readonly DiffID[];
  /** Config and layers. */
  readonly blobs: ReadonlyMap<Digest, Buffer>;
  readonly platform: Platform;
}

/** Several images under one index. */
export interface TestIndex {
  readonly index: Descriptor;
  readonly indexBytes: Buffer;
  readonly images: readonly TestImage[];
}

/** Makes an image of gzipped layers. Equal options give equal digests. */
export function makeImage(options: TestImageOptions = {}): TestImage {
  const isDocker = options.format === 'docker';
  const platform = options.platform ?? { os: 'linux', architecture: 'amd64' };
  const tars = (options.layers ?? [[{ path: 'etc/' }, { path: 'etc/hello', text: 'hello\n' }]]).map(makeTar);
  const diffIds = tars.map((tar) => digestOf(tar) as DiffID);
  const config = Buffer.from(
    JSON.stringify({
      ...platform,
      config: options.config ?? { Env: ['PATH=/bin'], Cmd: ['sh'] },
      rootfs: { type: 'layers', diff_ids: diffIds },
      history: tars.map((_tar, at) => ({
        created: '2024-01-01T00:00:00Z',
        created_by: options.createdBy ?? `layer ${at}`,
      })),
    }),
  );
  const layers = tars.map((tar) => gzipSync(tar));
  const blobs = new Map([config, ...layers].map((bytes) => [digestOf(bytes), bytes]));
  const layerType = isDocker ? MEDIA.dockerLayerGzip : MEDIA.ociLayerGzip;
  const manifest: ImageManifest = {
    schemaVersion: 2,
    mediaType: isDocker ? MEDIA.dockerManifest : MEDIA.ociManifest,
    config: describe(config, isDocker ? MEDIA.dockerConfig : MEDIA.ociConfig),
    layers: layers.map((layer) => describe(layer, layerType)),
  };
  const manifestBytes = Buffer.from(JSON.stringify(manifest));
  return {
    manifest: describe(manifestBytes, manifest.mediaType),
    manifestBytes,
    config: manifest.config,
    layers: manifest.layers,
    diffIds,
    blobs,
    platform,
  };
}

/** An index of images by their platforms; `extra` descriptors (attestations) come last. */
export function makeIndex(images: readonly TestImage[], extra: readonly Descriptor[] = []): TestIndex {
  const manifests = [...images.map((image) => ({ ...image.manifest, platform: image.platform })), ...extra];
  const indexBytes = Buffer.from(JSON.stringify({ schemaVersion: 2, mediaType: MEDIA.ociIndex, manifests }));
  return { index: describe(indexBytes, MEDIA.ociIndex), indexBytes, images };
}

/** Puts an image into a registry under `<repository>:<tag>`, without going over the network. */
export function addImage(registry: TestRegistry, repository: string, tag: string | undefined, image: TestImage): void {
  for (const bytes of image.blobs.values()) registry.addBlob(repository, bytes);
  const { mediaType } = image.manifest;
  registry.addManifest(repository, image.manifestBytes, { mediaType, ...(tag === undefined ? {} : { tag }) });
}

/** Puts an index and its images into a registry. */
export function addIndex(
  registry: TestRegistry,
  repository: string,
  tag: string,
  { indexBytes, images }: TestIndex,
): void {
  for (const image of images) addImage(registry, repository, undefined, image);
  registry.addManifest(repository, indexBytes, { mediaType: MEDIA.ociIndex, tag });
}

/** Writes an OCI layout; `manifests` are the entries of index.json, `documents` further blobs (nested indexes). */
export function writeLayout(
  folder: string,
  {
    manifests,
    images,
    documents = [],
  }: { manifests: readonly Descriptor[]; images: readonly TestImage[]; documents?: readonly Buffer[] },
): void {
  mkdirSync(`${folder}/blobs/sha256`, { recursive: true });
  writeFileSync(`${folder}/oci-layout`, '{"imageLayoutVersion":"1.0.0"}');
  writeFileSync(`${folder}/index.json`, JSON.stringify({ schemaVersion: 2, manifests }));
  const blobs = [...documents, ...images.flatMap((image) => [image.manifestBytes, ...image.blobs.values()])];
  for (const bytes of blobs) writeFileSync(`${folder}/blobs/sha256/${hexOf(digestOf(bytes))}`, bytes);
}

function describe(bytes: Uint8Array, mediaType: string): Descriptor {
  return { mediaType, digest: digestOf(bytes), size: bytes.byteLength };
}

/** A ustar archive, owned by root, with all times 0. */
export function makeTar(files: readonly TestFile[]): Buffer {
  const parts = files.flatMap((file) => {
    const body = Buffer.from(file.bytes ?? Buffer.from(file.text ?? ''));
    return [header(file, body.length), body, Buffer.alloc((512 - (body.length % 512)) % 512)];
  });
  return Buffer.concat([...parts, Buffer.alloc(1024)]);
}

function header({ path, mode, link }: TestFile, size: number): Buffer {
  const isFolder = path.endsWith('/');
  const block = Buffer.alloc(512);
  const octal = (value: number, at: number, width: number) =>
    block.write(`${value.toString(8).padStart(width - 1, '0')}\0`, at, 'latin1');
  block.write(path, 0, 100);
  octal(mode ?? (isFolder ? 0o755 : 0o644), 100, 8);
  octal(0, 108, 8);
  octal(0, 116, 8);
  octal(size, 124, 12);
  octal(0, 136, 12);
  block.write('        ', 148, 'latin1');
  block.write(link === undefined ? (isFolder ? '5' : '0') : '2', 156, 'latin1');
  block.write(link ?? '', 157, 100);
  block.write('ustar\u000000', 257, 'latin1');
  octal(
    block.reduce((sum, byte) => sum + byte, 0),
    148,
    7,
  );
  block[155] = 0x20;
  return block;
}
