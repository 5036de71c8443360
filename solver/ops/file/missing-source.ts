import { type BytePath, displayPath, toBytePath } from '../../../src/core/byte-path.ts';
import { SlipwayError } from '../../../src/core/errors.ts';
import { type FileTree, resolvePath } from '../../../src/core/file-tree.ts';
import { suggest } from '../../../src/core/suggest.ts';
import type { ContextFiles } from '../services.ts';
import { cleanComponents } from './file-pattern.ts';

/** Where a source was looked for. */
export interface SourcePlace {
  readonly tree: FileTree;
  /** `the build context`, `stage "build"`. */
  readonly description: string;
  /** For build contexts: what an ignore file left out. */
  readonly excludedBy?: ContextFiles['excludedBy'];
}

/** The error for a source that is not there, with the likeliest reason. `written` is the source as it stands in the Dockerfile. */
export function missingSource(place: SourcePlace, missing: string, written: string): SlipwayError {
  const path = `/${cleanComponents(missing).join('/')}`;
  const message = `"${path}": not found in ${place.description}`;
  const why = reasonFor(place, path, written);
  return new SlipwayError('SLIPWAY_COPY_SOURCE_MISSING', message, why === undefined ? {} : { hint: why });
}

function reasonFor(place: SourcePlace, path: string, written: string): string | undefined {
  const rule = place.excludedBy?.(path.slice(1));
  if (rule !== undefined) return `it is there, but ${rule.file} line ${rule.line} ("${rule.pattern}") excludes it`;
  const components = cleanComponents(path);
  for (let count = 1; count <= components.length; count++) {
    const at = toBytePath(`/${components.slice(0, count).join('/')}`);
    const resolved = resolvePath(place.tree, at, 'follow');
    const entry = resolved === undefined ? undefined : place.tree.lstat(resolved);
    if (entry === undefined) return reasonAt(place.tree, at, components, count);
    if (entry.type !== 'dir' && count < components.length) return `"${displayPath(at)}" is a file, not a folder`;
  }
  return /^\.\.(\/|$)/.test(written) ? 'a path never leaves its input: ".." at the root stays at the root' : undefined;
}

function reasonAt(tree: FileTree, at: BytePath, components: readonly string[], count: number): string | undefined {
  const link = tree.lstat(at);
  if (link?.type === 'symlink') {
    const target = displayPath(link.target ?? ('' as BytePath));
    return `"${displayPath(at)}" is a symlink to "${target}", which is looked up inside the input and is not there`;
  }
  const parent = resolvePath(tree, toBytePath(`/${components.slice(0, count - 1).join('/')}`), 'follow');
  const names = parent === undefined ? [] : tree.readdir(parent).map(displayPath);
  const near = nearName(components[count - 1] ?? '', names);
  if (near === undefined) return undefined;
  return `did you mean "${[...components.slice(0, count - 1), near, ...components.slice(count)].join('/')}"?`;
}

/** File names keep their case, which `suggest` adapts to the word. */
function nearName(name: string, names: readonly string[]): string | undefined {
  const near = suggest(name, names);
  return near === undefined ? undefined : (names.find((other) => other.toLowerCase() === near.toLowerCase()) ?? near);
}
