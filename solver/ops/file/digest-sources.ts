import type { ContentDigest, ContentDigester } from '../../../cache/content-selection.ts';
import type { BytePath } from '../../../src/core/byte-path.ts';
import { digestOfJson } from '../../../src/core/digest.ts';
import type { CopyAction } from '../../vertex.ts';
import { copyFilter } from './copy-filter.ts';
import { missingSource, type SourcePlace } from './missing-source.ts';
import { selectSources } from './select-sources.ts';
import { wantedPaths } from './wanted-paths.ts';

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
  const { tree } = place;
  const { sources, missing } = selectSources(tree, action);
  if (missing !== undefined) throw missingSource(place, missing, action.written);
  const isFiltered = copyFilter(action) !== undefined;
  if (!isFiltered) {
    const roots = sources.map(({ path, writtenPath }) => ({ path, name: writtenPath }));
    return digestContent(tree, { roots }, signal);
  }

  const found: ContentDigest[] = [];
  for (const { path, writtenPath } of sources) {
    const filter = copyFilter(action);
    const wanted = filter === undefined ? undefined : wantedPaths(tree, path, filter);
    const exclude = (below: BytePath) => wanted?.has(below) === false;
    found.push(await digestContent(tree, { roots: [{ path, name: writtenPath }], exclude }, signal));
  }
  return combineDigests(found);
}

/** One digest of several; the parts are put together only when they are asked for. */
export function combineDigests(found: readonly ContentDigest[]): ContentDigest {
  const [first] = found;
  if (first !== undefined && found.length === 1) return first;
  return {
    digest: digestOfJson(found.map(({ digest }) => digest)),
    get parts() {
      return found.flatMap(({ parts }) => parts);
    },
  };
}
