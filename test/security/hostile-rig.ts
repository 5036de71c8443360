import {
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { type Descriptor, MEDIA } from '../../src/core/descriptor.ts';
import { digestOf, hexOf } from '../../src/core/digest.ts';
import { SlipwayError } from '../../src/core/errors.ts';
import { build } from '../../src/library.ts';
import { archiveOf, item, TRAILER } from '../cache/tar/archives.ts';

/** How an archive of somebody else's can come into a build. */
export const WAYS = ['base layer', 'ADD source', 'context on standard input'] as const;
export type Way = (typeof WAYS)[number];

/** What came of it: the code of the error, or the result's files. */
export interface Outcome {
  readonly refused?: string;
  readonly message: string;
  /** Paths below the archive's place, with type and mode. */
  readonly files: readonly string[];
}

/** A folder with a store, and beside it a victim that no build may touch or see. */
export interface HostileRig extends Disposable {
  readonly folder: string;
  readonly victim: string;
  apply(archive: Buffer, way: Way): Promise<Outcome>;
  /** Everything about the victim; equal before and after. */
  victimState(): readonly string[];
}

const SECRET = 'the host has this file';

export function openHostileRig(): HostileRig {
  const folder = mkdtempSync(join(tmpdir(), 'slipway-hostile-'));
  const victim = `${folder}/victim`;
  mkdirSync(`${victim}/empty-folder`, { recursive: true });
  writeFileSync(`${victim}/file`, SECRET, { mode: 0o644 });
  writeFileSync(`${victim}/empty-file`, '');
  let count = 0;
  return {
    folder,
    victim,
    apply: (archive, way) => applyBy(`${folder}/${count++}`, { archive, way, store: `${folder}/store` }),
    victimState: () => stateOf(victim),
    [Symbol.dispose]: () => rmSync(folder, { recursive: true, force: true }),
  };
}

interface Application {
  readonly archive: Buffer;
  readonly way: Way;
  readonly store: string;
}

async function applyBy(folder: string, { archive, way, store }: Application): Promise<Outcome> {
  const context = `${folder}/context`;
  const output = `${folder}/output`;
  mkdirSync(context, { recursive: true });
  const request = {
    root: store,
    cwd: folder,
    outputs: [
      { type: 'local', dest: output, attributes: {} },
      { type: 'oci', dest: `${folder}/image.tar`, attributes: {} },
    ],
    ...requestFor(way, archive, { folder, context }),
  } as const;
  try {
    await build(request);
    const files = listing(`${output}/in`);
    for (const file of contentsBelow(output)) if (file.includes(SECRET)) throw new Error(`${way}: the secret got out`);
    return { files, message: '' };
  } catch (error) {
    if (!(error instanceof SlipwayError)) throw error;
    return { refused: error.code, message: error.message, files: [] };
  }
}

function requestFor(way: Way, archive: Buffer, { folder, context }: { folder: string; context: string }) {
  const dockerfile = (text: string) => writeFileSync(`${context}/Dockerfile`, text);
  switch (way) {
    case 'base layer':
      writeImage(`${folder}/image`, archive);
      dockerfile('FROM base AS all\nFROM scratch\nCOPY --from=all / /in/\n');
      return { context, buildContexts: { base: `oci-layout://${folder}/image` } };
    case 'ADD source':
      writeFileSync(`${context}/archive`, archive);
      dockerfile('FROM scratch\nADD archive /in/\n');
      return { context };
    case 'context on standard input': {
      const first = archiveOf([item({ path: 'Dockerfile' }, 'FROM scratch\nCOPY . /in/\n')]).subarray(
        0,
        -TRAILER.length,
      );
      return { context: '-', stdin: oneChunk(Buffer.concat([first, archive])) };
    }
    default:
      throw new Error(`internal: ${way satisfies never}`);
  }
}

async function* oneChunk(bytes: Buffer): AsyncGenerator<Buffer> {
  yield bytes;
}

/** An OCI layout of an image with this layer on top of a harmless one. */
function writeImage(folder: string, hostile: Buffer): void {
  const harmless = archiveOf([
    item({ path: 'lower', type: 'dir', mode: 0o755 }),
    item({ path: 'lower/file' }, 'of the layer below'),
  ]);
  const tars = [harmless, hostile];
  const blobs = `${folder}/blobs/sha256`;
  mkdirSync(blobs, { recursive: true });
  const put = (bytes: Buffer, mediaType: string): Descriptor => {
    const digest = digestOf(bytes);
    writeFileSync(`${blobs}/${hexOf(digest)}`, bytes);
    return { mediaType, digest, size: bytes.length };
  };
  const layers = tars.map((tar) => put(gzipSync(tar, { level: 1 }), MEDIA.ociLayerGzip));
  const diffIds = tars.map((tar) => digestOf(tar));
  const document = { architecture: 'amd64', os: 'linux', rootfs: { type: 'layers', diff_ids: diffIds } };
  const config = put(Buffer.from(JSON.stringify(document)), MEDIA.ociConfig);
  const manifest = { schemaVersion: 2, mediaType: MEDIA.ociManifest, config, layers };
  const manifests = [put(Buffer.from(JSON.stringify(manifest)), MEDIA.ociManifest)];
  writeFileSync(`${folder}/oci-layout`, '{"imageLayoutVersion":"1.0.0"}');
  writeFileSync(`${folder}/index.json`, JSON.stringify({ schemaVersion: 2, manifests }));
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

/** Of every regular file that is not large. No link is followed, which readdir's own recursion would do. */
function* contentsBelow(folder: string): Generator<string> {
  for (const found of readdirSync(Buffer.from(folder, 'latin1'), { withFileTypes: true, encoding: 'latin1' })) {
    const path = `${folder}/${found.name}`;
    if (found.isDirectory()) yield* contentsBelow(path);
    const bytes = Buffer.from(path, 'latin1');
    if (found.isFile() && lstatSync(bytes).size < 1_000_000) yield readFileSync(bytes, 'latin1');
  }
}

function stateOf(folder: string): string[] {
  return readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .sort()
    .map((name) => {
      const { mode, uid, size, nlink, mtimeMs, ctimeMs } = lstatSync(`${folder}/${name}`);
      return [name, mode.toString(8), uid, size, nlink, mtimeMs, ctimeMs].join(' ');
    });
}
