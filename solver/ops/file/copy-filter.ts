import type { BytePath } from '../../../src/core/byte-path.ts';
import { compileIgnorePatterns, type IgnoreMatch, type IgnorePatterns } from '../../../src/core/ignore-patterns.ts';
import type { CopyAction } from '../../vertex.ts';
import { splitParents } from './select-sources.ts';

/**
 * Whether a path below a COPY source is copied; `look below`: a folder that is not, but may have something in it that is. Asked
 * about a folder before its contents, and never about what is in a skipped one.
 */
export type PathFilter = (relative: BytePath) => 'copy' | 'look below' | 'skip';

/**
 * What `--exclude` and `--parents` say of the paths below one source; undefined where everything is copied. The source itself is
 * never asked about. A filter remembers the folders that it is in, so each source needs its own, and a folder is asked about before its
 * neighbours are.
 */
export function copyFilter(action: CopyAction): PathFilter | undefined {
  const { pattern } = splitParents(action);
  if (pattern === undefined && action.exclude.length === 0) return undefined;
  const included = pattern === undefined ? undefined : remembering(compile([pattern], '--parents'));
  const excludePatterns = compile(action.exclude, '--exclude');
  const excluded = remembering(excludePatterns);
  const mayBeIncluded = pattern === undefined ? () => false : prefixTest(pattern);

  return (relative) => {
    if (excluded(relative)) {
      const isHopeless = !excludePatterns.hasExceptions || !excludePatterns.mayIncludeBelow(relative);
      return isHopeless ? 'skip' : 'look below';
    }
    if (included === undefined || included(relative)) return 'copy';
    return mayBeIncluded(relative) ? 'look below' : 'skip';
  };
}

function compile(patterns: readonly string[], flag: string): IgnorePatterns {
  return compileIgnorePatterns(
    patterns.map((pattern, index) => ({ pattern, line: index + 1 })),
    flag,
  );
}

function remembering(patterns: IgnorePatterns): (path: BytePath) => boolean {
  // What was asked about last, and those of the folders above it that were asked about.
  const latest: { readonly prefix: string; readonly match: IgnoreMatch }[] = [];
  return (path) => {
    let above = latest.at(-1);
    for (; above !== undefined && !path.startsWith(above.prefix); above = latest.at(-1)) latest.pop();
    const isParent = above?.prefix.length === path.lastIndexOf('/') + 1;
    const match = patterns.match(path, isParent ? above?.match : undefined);
    latest.push({ prefix: `${path}/`, match });
    return match.isExcluded;
  };
}

/** Whether a folder lies on the way to what a pattern without wildcards in front can match. */
function prefixTest(pattern: string): (folder: BytePath) => boolean {
  const components = pattern.split('/');
  const first = components.findIndex((component) => /[*?[\]\\]/.test(component));
  const plain = (first < 0 ? components : components.slice(0, first)).map((component) =>
    Buffer.from(component, 'utf8').toString('latin1'),
  );
  return (folder) =>
    folder.split('/').every((component, index) => (plain[index] ?? (first < 0 ? undefined : component)) === component);
}
