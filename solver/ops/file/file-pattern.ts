import { type BytePath, displayPath } from '../../../src/core/byte-path.ts';
import { compileGoMatch } from './go-match.ts';

/**
 * A pattern of Go's filepath.Match (`*`, `?`, `[a-z]`, `[^a]`, `\`), cut where the path in front of it needs no matching.
 * COPY matches with this, .dockerignore with rules of its own.
 */
export interface FilePattern {
  /** Leading components without wildcards, absolute, to be looked up as they are. */
  readonly folder: string;
  /** What is matched against paths below `folder`; undefined where the path has no wildcard. */
  readonly wildcard: Wildcard | undefined;
}

export interface Wildcard {
  /** Whether the whole path, relative to the pattern's folder, matches. */
  matches(path: BytePath): boolean;
  /** Whether something below a folder may match, so that it has to be read. */
  mayMatchBelow(folder: BytePath): boolean;
}

/** Splits an absolute path at its first component with a wildcard. A malformed pattern matches nothing, as in BuildKit. */
export function parseFilePattern(path: string): FilePattern {
  const components = cleanComponents(path);
  const first = components.findIndex(hasWildcard);
  if (first < 0) return { folder: `/${components.join('/')}`, wildcard: undefined };
  return {
    folder: `/${components.slice(0, first).join('/')}`,
    wildcard: compileWildcard(components.slice(first)),
  };
}

/** The components of a path below the root: no empty ones, no `.`, and `..` taken back without looking at any file. */
export function cleanComponents(path: string): string[] {
  const components: string[] = [];
  for (const component of path.split('/')) {
    if (component === '..') components.pop();
    else if (component !== '' && component !== '.') components.push(component);
  }
  return components;
}

/** Whether `*`, `?` or `[` stands in the text unescaped. */
export function hasWildcard(text: string): boolean {
  return /(?:^|[^\\])(?:\\\\)*[*?[]/.test(text);
}

function compileWildcard(components: readonly string[]): Wildcard {
  const whole = compileGoMatch(components.join('/'));
  const prefixes = components.map((_component, count) => compileGoMatch(components.slice(0, count + 1).join('/')));
  // A class such as [^x] matches a slash too, and then the number of components says nothing.
  const isByComponent = components.every((component) => !crossesFolders(component));
  return {
    matches: (path) => whole?.test(displayPath(path)) ?? false,
    mayMatchBelow: (folder) => {
      if (whole === undefined) return false;
      if (!isByComponent) return true;
      const depth = countComponents(folder);
      return depth < components.length && (prefixes[depth - 1]?.test(displayPath(folder)) ?? false);
    },
  };
}

function countComponents(path: string): number {
  let count = 1;
  for (let at = path.indexOf('/'); at >= 0; at = path.indexOf('/', at + 1)) count++;
  return count;
}

const ONE_SLASH = '/';

function crossesFolders(component: string): boolean {
  for (const [characterClass] of component.matchAll(/\[(?:\\.|[^\]\\])*\]/gu)) {
    if (compileGoMatch(characterClass)?.test(ONE_SLASH) ?? false) return true;
  }
  return false;
}
