import { readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { type Descriptor, MEDIA } from '../core/descriptor.ts';
import { SlipwayError } from '../core/errors.ts';
import { MAX_MANIFEST_BYTES, parseManifest } from '../core/manifest.ts';

/** The images that a layout folder names already; none where it has no `index.json`. */
export function readLayoutIndex(folder: string): readonly Descriptor[] {
  const path = join(folder, 'index.json');
  const stats = statSync(path, { throwIfNoEntry: false });
  if (stats === undefined) return [];
  if (!stats.isFile() || stats.size > MAX_MANIFEST_BYTES)
    throw new SlipwayError('SLIPWAY_LAYOUT_INVALID', `${path} is not a file of at most ${MAX_MANIFEST_BYTES} bytes`);
  const document = parseManifest(readFileSync(path), path, MEDIA.ociIndex);
  return document.kind === 'index' ? document.index.manifests : [];
}
