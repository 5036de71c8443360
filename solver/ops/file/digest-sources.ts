import type { ContentDigest, ContentDigester } from '../../../cache/content-selection.ts';
import type { KeyPart } from '../../../cache/records/record-store.ts';
import type { BytePath } from '../../../src/core/byte-path.ts';
import { type Digest, digestOfJson } from '../../../src/core/digest.ts';
import type { CopyAction } from '../../vertex.ts';
import { copyFilter } from './copy-filter.ts';
import { missingSource, type SourcePlace } from './missing-source.ts';
import { type CopySource, selectSources } from './select-sources.ts';

/**
 * Digests exactly the files that a COPY reads of one input. Files are named as the source was written, so that what a symlink
 * points to counts, and where it lies does not. A source that is missing is an error, as it would be when copying.
 */
export async function digestSources(
  place: SourcePlace,
  action: CopyAction,
  digestContent: ContentDigester,
  signal: AbortSignal,
): Promise<ContentDigest> {
  const { sources, missing } = selectSources(place.tree, action);
  if (missing !== undefined) throw missingSource(place, missing, action.written);
  if (action.exclude.length === 0 && !action.parents) {
    const roots = sources.map(({ path, writtenPath }) => ({ path, name: writtenPath }));
    return digestContent(place.tree, { roots }, signal);
  }

  const digests: Digest[] = [];
  const parts: KeyPart[] = [];
  for (const source of sources) {
    const isWanted = wantedPaths(place, source, action);
    const selection = {
      roots: [{ path: source.path, name: source.writtenPath }],
      exclude: (path: BytePath) => !isWanted.has(path),
    };
    const found = await digestContent(place.tree, selection, signal);
    digests.push(found.digest);
    parts.push(...found.parts);
  }
  return { digest: digestOfJson(digests), parts };
}

/** The source, what the filter lets through, and the folders on the way to it. */
function wantedPaths({ tree }: SourcePlace, source: CopySource, action: CopyAction): ReadonlySet<BytePath> {
  const wanted = new Set<BytePath>([source.path]);
  const filter = copyFilter(action);
  const visit = (folder: BytePath, relativeFolder: string): boolean => {
    let hasWanted = false;
    for (const name of tree.readdir(folder)) {
      const path = (folder === '/' ? `/${name}` : `${folder}/${name}`) as BytePath;
      const relative = `${relativeFolder}${name}` as BytePath;
      const verdict = filter?.(relative) ?? 'copy';
      if (verdict === 'skip') continue;
      const hasWantedBelow = tree.lstat(path)?.type === 'dir' && visit(path, `${relative}/`);
      if (verdict !== 'copy' && !hasWantedBelow) continue;
      wanted.add(path);
      hasWanted = true;
    }
    return hasWanted;
  };
  visit(source.path, '');
  return wanted;
}
