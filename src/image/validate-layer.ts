import { createHash } from 'node:crypto';
import { pipeline, type Readable } from 'node:stream';
import { createGunzip, zstdDecompressSync } from 'node:zlib';
import type { TarEntry } from '../../cache/tar/tar-entry.ts';
import { TarReader } from '../../cache/tar/tar-reader.ts';

/** Reads a layer blob and calls `problem` for everything that the layer's spec (layer.md) forbids in it. Returns its diffID. */
export async function validateLayer(
  blob: Readable,
  mediaType: string,
  problem: (text: string) => void,
): Promise<string> {
  const digest = createHash('sha256');
  const reader = new TarReader('the layer', {
    ...entryChecks(problem),
    data: () => {},
    hole: () => {},
    entryEnd: () => {},
  });
  try {
    for await (const chunk of uncompressed(blob, mediaType)) {
      digest.update(chunk);
      reader.write(chunk);
    }
    reader.end();
  } catch (error) {
    problem(error instanceof Error ? error.message : String(error));
  }
  return `sha256:${digest.digest('hex')}`;
}

async function* uncompressed(blob: Readable, mediaType: string): AsyncGenerator<Buffer> {
  if (/[+.]gzip$/.test(mediaType)) yield* pipeline(blob, createGunzip(), () => {}) as AsyncIterable<Buffer>;
  else if (/[+.]zstd$/.test(mediaType)) yield* zstdFrames(Buffer.concat(await blob.toArray()));
  else yield* blob as AsyncIterable<Buffer>;
}

/** One frame after the other: Node's decoder stops after the first that ends within a chunk. */
function* zstdFrames(compressed: Buffer): Generator<Buffer> {
  for (let rest = compressed; rest.length > 0; ) {
    const { buffer, engine } = zstdDecompressSync(rest, { info: true }) as unknown as {
      readonly buffer: Buffer;
      readonly engine: { readonly bytesWritten: number };
    };
    yield buffer;
    rest = rest.subarray(engine.bytesWritten);
  }
}

function entryChecks(problem: (text: string) => void): { entry(entry: TarEntry): void } {
  const seen = new Map<string, TarEntry['type']>();
  return {
    entry(entry) {
      const path = entry.path.replace(/^\.\//, '').replace(/\/$/, '');
      const name = path.slice(path.lastIndexOf('/') + 1);
      const say = (what: string) => problem(`entry ${JSON.stringify(entry.path)} ${what}`);
      if (path.startsWith('/') || path.split('/').includes('..')) say('leads outside the layer');
      if (seen.has(path)) say('is there twice');
      checkWhiteout(entry, name, say);
      if (entry.type === 'hardlink' && seen.get((entry.target ?? '').replace(/^\.?\//, '')) === undefined)
        say(`is a hard link to ${JSON.stringify(entry.target)}, which does not stand before it`);
      const parent = path.slice(0, Math.max(path.lastIndexOf('/'), 0));
      const parentType = seen.get(parent);
      if (parentType !== undefined && parentType !== 'dir') say(`is below ${parent}, which is a ${parentType}`);
      for (const key of entry.xattrs?.keys() ?? [])
        if (/^(trusted|user)\.overlay\./.test(key)) say(`has overlayfs's own attribute ${key}`);
      seen.set(path, entry.type);
    },
  };
}

function checkWhiteout(entry: TarEntry, name: string, say: (what: string) => void): void {
  if (!name.startsWith('.wh.')) return;
  if (entry.type !== 'file' || entry.size !== 0) say('is a whiteout but no empty file');
  const removed = name.slice('.wh.'.length);
  if (removed === '' || removed === '.' || removed === '..') say('is a whiteout of no name');
  if (removed.startsWith('.wh.') && removed !== '.wh..opq') say('is a whiteout of a whiteout');
}
