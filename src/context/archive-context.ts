import { rmSync } from 'node:fs';
import { detectCompression } from '../../cache/tar/decompress.ts';
import { parseTarHeader } from '../../cache/tar/tar-header.ts';
import { ArchiveWriter } from '../../cache/trees/archive-writer.ts';
import { type ArchiveSource, unpackArchive } from '../../cache/trees/unpack-archive.ts';
import { WorkingTree } from '../../cache/trees/working-tree.ts';
import type { BytePath } from '../core/byte-path.ts';
import { SlipwayError } from '../core/errors.ts';
import type { BuildContext, ContextServices } from './build-context.ts';

/** How many bytes `looksLikeArchive` has to see: a tar header. */
export const PEEK_BYTES = 512;

/** Time of folders that the archive has no entries for: nothing says when they were made, and it must not change between builds. */
const NO_TIME = 0;

/**
 * A tar archive as a context, with the archive's owners and without an ignore file, as in BuildKit. Its names never reach the
 * filesystem. `SLIPWAY_CONTEXT_INVALID` for what is packed but holds no archive.
 */
export async function openArchiveContext(
  source: ArchiveSource,
  description: string,
  services: ContextServices,
): Promise<BuildContext> {
  const tree = emptyTree();
  const writer = new ArchiveWriter(source.name, '/' as BytePath, { tree, owner: undefined, now: NO_TIME });
  const folder = services.temporaryPath();
  const isArchive = await unpackArchive(source, (file) => writer.write(file), { folder, signal: services.signal });
  if (!isArchive) {
    throw new SlipwayError(
      'SLIPWAY_CONTEXT_INVALID',
      `${description}: ${source.name} holds no tar archive, or an empty one`,
    );
  }
  return {
    tree,
    excludedBy: () => undefined,
    description,
    // The asynchronous call asks for all files at once, which for a million of them takes a gigabyte.
    [Symbol.asyncDispose]: async () => rmSync(folder, { recursive: true, force: true }),
  };
}

/** Whether bytes start as a tar archive or as something packed does; anything else may be a text. */
export function looksLikeArchive(head: Uint8Array): boolean {
  if (detectCompression(head) !== 'none') return true;
  if (head.length < PEEK_BYTES) return false;
  const bytes = Buffer.from(head.buffer, head.byteOffset, head.byteLength);
  try {
    parseTarHeader(bytes, 0, (problem) => {
      throw new SlipwayError('SLIPWAY_TAR_INVALID', problem);
    });
    return true;
  } catch (error) {
    if (error instanceof SlipwayError) return false;
    throw error;
  }
}

/** A context without files, for a Dockerfile that comes alone. */
export function emptyContext(description: string): BuildContext {
  return { tree: emptyTree(), excludedBy: () => undefined, description, [Symbol.asyncDispose]: async () => {} };
}

function emptyTree(): WorkingTree {
  return new WorkingTree({
    lstat: () => undefined,
    readdir: () => [],
    contentPath: (path) => {
      throw new Error(`internal: nothing at ${path}`);
    },
  });
}
