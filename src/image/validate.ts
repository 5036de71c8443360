import { createHash } from 'node:crypto';
import { type Descriptor, type ImageIndex, type ImageManifest, MEDIA } from '../core/descriptor.ts';
import { type Digest, digestOf, hexOf } from '../core/digest.ts';
import { parseManifest } from '../core/manifest.ts';
import { type LayoutFiles, openLayoutFiles } from './layout-files.ts';
import { validateLayer } from './validate-layer.ts';

const CONFIG_TYPES: readonly string[] = [MEDIA.ociConfig, MEDIA.dockerConfig];
const LAYER_TYPES = [
  /^application\/vnd\.oci\.image\.layer\.(nondistributable\.)?v1\.tar(\+gzip|\+zstd)?$/,
  /^application\/vnd\.docker\.image\.rootfs\.(foreign\.)?diff\.tar(\.gzip|\.zstd)?$/,
];
const RFC_3339 = /^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(\.\d+)?(Z|[+-]\d{2}:\d{2})$/;

/**
 * Checks every invariant of the OCI image spec on an image layout, a folder or a tar of one: the layout's own files, the digest and size
 * of every blob, media types, config against layers (diffIDs are computed anew), history against layers, platforms, the layers' tar
 * entries, and docker's `manifest.json` where there is one. Returns what is wrong, in words; nothing for a valid image.
 */
export async function validateImage(path: string): Promise<readonly string[]> {
  const validation = new Validation(openLayoutFiles(path));
  await validation.run();
  return validation.problems;
}

class Validation {
  readonly problems: string[] = [];
  readonly #files: LayoutFiles;
  readonly #used = new Set<string>();
  readonly #manifests: ImageManifest[] = [];
  readonly #diffIds = new Map<Digest, string>();

  constructor(files: LayoutFiles) {
    this.#files = files;
  }

  async run(): Promise<void> {
    if (new Set(this.#files.names).size !== this.#files.names.length) this.#say('a file is there twice');
    const layout = this.#json('oci-layout');
    if (layout?.imageLayoutVersion !== '1.0.0') this.#say('oci-layout: imageLayoutVersion is not 1.0.0');
    await this.#index('index.json', this.#parsed('index.json', MEDIA.ociIndex));
    this.#dockerManifest();
    for (const name of this.#files.names)
      if (name.startsWith('blobs/') && !this.#used.has(name)) this.#say(`${name} belongs to no image`);
  }

  async #index(where: string, document: ReturnType<typeof parseManifest> | undefined): Promise<void> {
    if (document === undefined) return;
    if (document.kind !== 'index') return this.#say(`${where} is no index`);
    const { index } = document;
    if (index.manifests.length === 0) this.#say(`${where} names no image`);
    if (index.manifests.length > 1 && where !== 'index.json') this.#platforms(where, index);
    for (const descriptor of index.manifests) await this.#image(descriptor, `${where} > ${descriptor.digest}`);
  }

  #platforms(where: string, index: ImageIndex): void {
    const names = index.manifests.map(({ platform }) => JSON.stringify(platform));
    if (names.some((name) => name === undefined)) this.#say(`${where}: a manifest has no platform`);
    if (new Set(names).size !== names.length) this.#say(`${where}: two manifests have one platform`);
  }

  async #image(descriptor: Descriptor, where: string): Promise<void> {
    const bytes = this.#blob(descriptor, where);
    if (bytes === undefined) return;
    const document = this.#attempt(where, () => parseManifest(bytes, where, descriptor.mediaType));
    if (document?.kind === 'index') return this.#index(where, document);
    if (document?.kind === 'manifest') await this.#manifest(document.manifest, descriptor, where);
  }

  async #manifest(manifest: ImageManifest, descriptor: Descriptor, where: string): Promise<void> {
    this.#manifests.push(manifest);
    const isDocker = manifest.mediaType === MEDIA.dockerManifest;
    if (
      !CONFIG_TYPES.includes(manifest.config.mediaType) ||
      (manifest.config.mediaType === MEDIA.dockerConfig) !== isDocker
    )
      this.#say(`${where}: the config has the media type ${manifest.config.mediaType}`);
    const diffIds: string[] = [];
    for (const [at, layer] of manifest.layers.entries()) {
      const here = `${where}: layer ${at}`;
      const family = LAYER_TYPES[isDocker ? 1 : 0];
      if (!family?.test(layer.mediaType)) this.#say(`${here} has the media type ${layer.mediaType}`);
      diffIds.push(await this.#layer(layer, here));
    }
    const config = this.#blob(manifest.config, `${where}: config`);
    if (config === undefined) return;
    const document = this.#attempt(where, () => JSON.parse(config.toString('utf8')) as unknown);
    this.#config(objectOf(document), { diffIds, descriptor, where: `${where}: config` });
  }

  async #layer(layer: Descriptor, where: string): Promise<string> {
    const known = this.#diffIds.get(layer.digest);
    if (known !== undefined) return known;
    if (!this.#hasBlob(layer, where)) return '';
    const name = blobName(layer.digest);
    const actual = await streamDigest(this.#files.open(name));
    if (actual !== layer.digest) this.#say(`${where}: the bytes have the digest ${actual}, expected ${layer.digest}`);
    const diffId = await validateLayer(this.#files.open(name), layer.mediaType, (text) =>
      this.#say(`${where}: ${text}`),
    );
    this.#diffIds.set(layer.digest, diffId);
    return diffId;
  }

  #config(
    config: JsonObject,
    { diffIds, descriptor, where }: { diffIds: readonly string[]; descriptor: Descriptor; where: string },
  ): void {
    const rootfs = objectOf(config.rootfs);
    if (rootfs.type !== 'layers') this.#say(`${where}: rootfs.type is not "layers"`);
    if (JSON.stringify(rootfs.diff_ids) !== JSON.stringify(diffIds))
      this.#say(
        `${where}: diff_ids are ${JSON.stringify(rootfs.diff_ids)}, the layers give ${JSON.stringify(diffIds)}`,
      );
    for (const name of ['os', 'architecture'])
      if (typeof config[name] !== 'string' || config[name] === '') this.#say(`${where}: has no ${name}`);
    const { platform } = descriptor;
    if (platform !== undefined && (platform.os !== config.os || platform.architecture !== config.architecture))
      this.#say(
        `${where}: is for ${config.os}/${config.architecture}, its descriptor says ${JSON.stringify(platform)}`,
      );
    this.#times(config, where);
    this.#history(config.history, diffIds.length, where);
    for (const value of listOf(objectOf(config.config).Env))
      if (typeof value !== 'string' || !value.includes('=')) this.#say(`${where}: Env holds ${JSON.stringify(value)}`);
  }

  #history(history: unknown, layers: number, where: string): void {
    const entries = listOf(history).map(objectOf);
    const withLayer = entries.filter((entry) => entry.empty_layer !== true).length;
    if (withLayer !== layers) this.#say(`${where}: history speaks of ${withLayer} layers, there are ${layers}`);
    for (const entry of entries) this.#times(entry, `${where}: history`);
  }

  #times({ created }: JsonObject, where: string): void {
    if (typeof created !== 'string' || !RFC_3339.test(created) || Number.isNaN(Date.parse(created)))
      this.#say(`${where}: created is ${JSON.stringify(created)}, expected a time as in RFC 3339`);
  }

  #dockerManifest(): void {
    if (this.#files.size('manifest.json') === undefined) return;
    const entries = listOf(
      this.#attempt('manifest.json', () => JSON.parse(this.#files.read('manifest.json').toString()) as unknown),
    );
    if (entries.length !== this.#imageDigests().length) this.#say('manifest.json does not name every image');
    for (const entry of entries.map(objectOf)) {
      const image = this.#manifests.find(({ config }) => blobName(config.digest) === entry.Config);
      if (image === undefined) this.#say(`manifest.json: no image has the config ${JSON.stringify(entry.Config)}`);
      const layers = image?.layers.map(({ digest }) => blobName(digest));
      if (image !== undefined && JSON.stringify(layers) !== JSON.stringify(entry.Layers))
        this.#say(`manifest.json: Layers are ${JSON.stringify(entry.Layers)}, the image has ${JSON.stringify(layers)}`);
      if (entry.RepoTags !== null && !listOf(entry.RepoTags).every((tag) => /^[^\s@]+:[\w.-]+$/.test(String(tag))))
        this.#say(`manifest.json: RepoTags are ${JSON.stringify(entry.RepoTags)}`);
    }
  }

  #imageDigests(): readonly string[] {
    return [...new Set(this.#manifests.map(({ config }) => config.digest))];
  }

  #blob(descriptor: Descriptor, where: string): Buffer | undefined {
    if (!this.#hasBlob(descriptor, where)) return undefined;
    const bytes = this.#files.read(blobName(descriptor.digest));
    if (digestOf(bytes) !== descriptor.digest) this.#say(`${where}: the bytes have the digest ${digestOf(bytes)}`);
    return bytes;
  }

  #hasBlob({ digest, size }: Descriptor, where: string): boolean {
    const name = blobName(digest);
    this.#used.add(name);
    const actual = this.#files.size(name);
    if (actual === undefined) this.#say(`${where}: ${name} is not there`);
    else if (actual !== size) this.#say(`${where}: ${name} has ${actual} bytes, its descriptor says ${size}`);
    return actual !== undefined;
  }

  #parsed(name: string, mediaType: string): ReturnType<typeof parseManifest> | undefined {
    if (this.#files.size(name) === undefined) {
      this.#say(`${name} is not there`);
      return undefined;
    }
    return this.#attempt(name, () => parseManifest(this.#files.read(name), name, mediaType));
  }

  #json(name: string): JsonObject | undefined {
    if (this.#files.size(name) === undefined) return undefined;
    return objectOf(this.#attempt(name, () => JSON.parse(this.#files.read(name).toString('utf8')) as unknown));
  }

  #attempt<Value>(where: string, read: () => Value): Value | undefined {
    try {
      return read();
    } catch (error) {
      this.#say(`${where}: ${error instanceof Error ? error.message : String(error)}`);
      return undefined;
    }
  }

  #say(problem: string): void {
    this.problems.push(problem);
  }
}

type JsonObject = Readonly<Record<string, unknown>>;

function objectOf(value: unknown): JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as JsonObject) : {};
}

function listOf(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : [];
}

function blobName(digest: Digest): string {
  return `blobs/sha256/${hexOf(digest)}`;
}

async function streamDigest(stream: AsyncIterable<Buffer>): Promise<string> {
  const digest = createHash('sha256');
  for await (const chunk of stream) digest.update(chunk);
  return `sha256:${digest.digest('hex')}`;
}
