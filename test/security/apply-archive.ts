import { lstatSync, mkdirSync, readdirSync, readFileSync, readlinkSync, writeFileSync } from 'node:fs';
import { gzipSync } from 'node:zlib';
import type { BytePath } from '../../src/core/byte-path.ts';
import { type Descriptor, MEDIA } from '../../src/core/descriptor.ts';
import { type Digest, digestOf, hexOf } from '../../src/core/digest.ts';
import { SlipwayError } from '../../src/core/errors.ts';
import { syscalls } from '../../src/core/syscalls.ts';
import { build } from '../../src/library.ts';
import { archiveOf, item, TRAILER } from '../cache/tar/archives.ts';

/** How an archive of somebody else's can come into a build. */
export const WAYS = ['base layer', 'base layer of a registry', 'ADD source', 'context on standard input'] as const;
export type Way = (typeof WAYS)[number];

/** What came of it: the code of the error, or the result's files. */
export interface Outcome {
  readonly refused?: string;
  readonly message: string;
  /** Paths below the archive's place, with type and mode. */
  readonly files: readonly string[];
}

/** An archive that is to be built with, as whoever runs this. */
export interface Application {
  /** A folder that is not there yet. */
  readonly folder: string;
  readonly archive: Buffer;
  readonly way: Way;
  readonly store: string;
  /** No output may have this text. */
  readonly secret: string;
  /** The image that has the archive as its upper layer (`hostileImage`), where a registry has it. */
  readonly reference?: string | undefined;
}

/** Builds with the archive into a folder and into an OCI archive. */
export async function applyArchive(application: Application): Promise<Outcome> {
  const { folder, way, store, secret } = application;
  const output = `${folder}/output`;
  mkdirSync(`${folder}/context`, { recursive: true });
  const request = {
    root: store,
    cwd: folder,
    outputs: [
      { type: 'local', dest: output, attributes: {} },
      { type: 'oci', dest: `${folder}/image.tar`, attributes: {} },
    ],
    ...requestFor(application),
  } as const;
  try {
    await build(request);
    for (const path of pathsBelow(output)) checkOutput(path, way, secret);
    return { files: listing(`${output}/in`), message: '' };
  } catch (error) {
    if (!(error instanceof SlipwayError)) throw error;
    return { refused: error.code, message: error.message, files: [] };
  }
}

function requestFor({ folder, archive, way, reference = '' }: Application) {
  const context = `${folder}/context`;
  const dockerfile = (text: string) => writeFileSync(`${context}/Dockerfile`, text);
  switch (way) {
    case 'base layer':
      writeImage(`${folder}/image`, hostileImage(archive));
      dockerfile('FROM base AS all\nFROM scratch\nCOPY --from=all / /in/\n');
      return { context, buildContexts: { base: `oci-layout://${folder}/image` } };
    case 'base layer of a registry':
      dockerfile(`FROM ${reference} AS all\nFROM scratch\nCOPY --from=all / /in/\n`);
      return { context };
    case 'ADD source':
      writeFileSync(`${context}/archive`, archive);
      dockerfile('FROM scratch\nADD archive /in/\n');
      return { context };
    case 'context on standard input': {
      const first = archiveOf([item({ path: 'Dockerfile' }, 'FROM scratch\nCOPY . /in/\n')]);
      const bytes = Buffer.concat([first.subarray(0, -TRAILER.length), archive]);
      return { context: '-', stdin: oneChunk(bytes) };
    }
    default:
      throw new Error(`internal: ${way satisfies never}`);
  }
}

async function* oneChunk(bytes: Buffer): AsyncGenerator<Buffer> {
  yield bytes;
}

/** An image in memory: what its manifest is, and the bytes of everything. */
export interface HostileImage {
  readonly manifest: Descriptor;
  readonly blobs: ReadonlyMap<Digest, Buffer>;
}

/** An image with this layer on top of a harmless one; one that is packed with gzip stays as it is, without its right diffID. */
export function hostileImage(hostile: Buffer): HostileImage {
  const harmless = archiveOf([
    item({ path: 'lower', type: 'dir', mode: 0o755 }),
    item({ path: 'lower/file' }, 'of the layer below'),
  ]);
  const tars = [harmless, hostile];
  const blobs = new Map<Digest, Buffer>();
  const put = (bytes: Buffer, mediaType: string): Descriptor => {
    const digest = digestOf(bytes);
    blobs.set(digest, bytes);
    return { mediaType, digest, size: bytes.length };
  };
  const isPacked = (tar: Buffer) => tar[0] === 0x1f && tar[1] === 0x8b;
  const layers = tars.map((tar) => put(isPacked(tar) ? tar : gzipSync(tar, { level: 1 }), MEDIA.ociLayerGzip));
  const diffIds = tars.map((tar) => digestOf(tar));
  const document = { architecture: 'amd64', os: 'linux', rootfs: { type: 'layers', diff_ids: diffIds } };
  const config = put(Buffer.from(JSON.stringify(document)), MEDIA.ociConfig);
  const manifest = { schemaVersion: 2, mediaType: MEDIA.ociManifest, config, layers };
  return { manifest: put(Buffer.from(JSON.stringify(manifest)), MEDIA.ociManifest), blobs };
}

function writeImage(folder: string, { manifest, blobs }: HostileImage): void {
  mkdirSync(`${folder}/blobs/sha256`, { recursive: true });
  for (const [digest, bytes] of blobs) writeFileSync(`${folder}/blobs/sha256/${hexOf(digest)}`, bytes);
  writeFileSync(`${folder}/oci-layout`, '{"imageLayoutVersion":"1.0.0"}');
  writeFileSync(`${folder}/index.json`, JSON.stringify({ schemaVersion: 2, manifests: [manifest] }));
}

/** Paths in byte order with what each is: `d755 a/`, `-644 a/b`, `l a/c -> target`. Names are bytes in latin1. */
export function listing(folder: string, prefix = ''): string[] {
  const stats = lstatSync(Buffer.from(folder, 'latin1'), { throwIfNoEntry: false });
  if (!stats?.isDirectory()) return [];
  return readdirSync(Buffer.from(folder, 'latin1'), { encoding: 'latin1' })
    .sort()
    .flatMap((name) => {
      const path = `${folder}/${name}`;
      const file = lstatSync(Buffer.from(path, 'latin1'));
      const mode = (file.mode & 0o7777).toString(8);
      if (file.isDirectory()) return [`d${mode} ${prefix}${name}/`, ...listing(path, `${prefix}${name}/`)];
      if (file.isSymbolicLink()) return [`l ${prefix}${name} -> ${readlinkSync(Buffer.from(path, 'latin1'))}`];
      return [`${file.isFile() ? '-' : file.isFIFO() ? 'p' : 'c'}${mode} ${prefix}${name}`];
    });
}

/** Of everything. No link is followed, which readdir's own recursion would do. */
function* pathsBelow(folder: string): Generator<string> {
  for (const found of readdirSync(Buffer.from(folder, 'latin1'), { withFileTypes: true, encoding: 'latin1' })) {
    const path = `${folder}/${found.name}`;
    yield path;
    if (found.isDirectory()) yield* pathsBelow(path);
  }
}

function checkOutput(path: string, way: Way, secret: string): void {
  const bytes = Buffer.from(path, 'latin1');
  const stats = lstatSync(bytes);
  if (stats.isFile() && stats.size < 1_000_000 && readFileSync(bytes).includes(secret))
    throw new Error(`${way}: the secret got out by ${path}`);
  const overlay = [
    ...syscalls()
      .listXattrs(path as BytePath)
      .keys(),
  ].filter((name) => name.includes('.overlay.'));
  if (overlay.length > 0) throw new Error(`${way}: ${path} has ${overlay.join(' ')}`);
}
