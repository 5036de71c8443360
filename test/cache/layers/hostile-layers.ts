import { execFileSync } from 'node:child_process';
import { existsSync, lstatSync, mkdirSync, readdirSync, readlinkSync } from 'node:fs';
import { gzipSync } from 'node:zlib';
import type { LayerId } from '../../../cache/layers/layer-store.ts';
import { MEDIA } from '../../../src/core/descriptor.ts';
import { type DiffID, digestOf } from '../../../src/core/digest.ts';
import type { LayerRig } from '../../rig/layers.ts';

/** A pulled layer whose blob is this tar, compressed with gzip unless told otherwise. */
export function pulledLayer(rig: LayerRig, tar: Buffer, compress: (tar: Buffer) => Buffer = gzipSync): LayerId {
  const blob = compress(tar);
  const digest = rig.content.put(blob);
  const descriptor = { mediaType: MEDIA.ociLayerGzip, digest, size: blob.length };
  return rig.layers.addBlob(descriptor, digestOf(tar) as DiffID, { fetch: async () => {} });
}

/** The folder that a stack's highest layer is unpacked to. */
export async function unpacked(rig: LayerRig, ...stack: LayerId[]): Promise<string> {
  using mounted = await rig.layers.mount(stack, new AbortController().signal);
  return mounted.lowerDirs.at(-1) ?? '';
}

/** Every path below a folder as `d name`, `- name`, `l name -> target`, `c name`, `p name`. Links are not followed. */
export function listing(folder: string, prefix = ''): string[] {
  return readdirSync(folder, { encoding: 'utf8' })
    .sort()
    .flatMap((name) => {
      const path = `${folder}/${name}`;
      const stats = lstatSync(path);
      if (stats.isDirectory()) return [`d ${prefix}${name}`, ...listing(path, `${prefix}${name}/`)];
      if (stats.isSymbolicLink()) return [`l ${prefix}${name} -> ${readlinkSync(path)}`];
      if (stats.isCharacterDevice()) return [`c ${prefix}${name}`];
      return [`${stats.isFIFO() ? 'p' : '-'} ${prefix}${name}`];
    });
}

/** A folder beside the store that a hostile layer must not reach. */
export function makeVictim(rig: LayerRig): string {
  const victim = `${rig.folder}/victim`;
  if (!existsSync(victim)) mkdirSync(victim);
  return victim;
}

/** Whether this process may make device nodes and set trusted attributes; says loudly when not. */
export function isRealRoot(): boolean {
  try {
    execFileSync('unshare', ['--mount', 'true'], { stdio: 'pipe' });
    return process.geteuid?.() === 0;
  } catch {
    return false;
  }
}

/** All of a stream of bytes. */
export async function collect(chunks: AsyncIterable<Buffer>): Promise<Buffer> {
  const all: Buffer[] = [];
  for await (const chunk of chunks) all.push(chunk);
  return Buffer.concat(all);
}
