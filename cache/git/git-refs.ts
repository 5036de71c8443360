import { SlipwayError } from '../../src/core/errors.ts';

const COMMIT = /^(?:[0-9a-f]{40}|[0-9a-f]{64})$/;

/** Whether `text` is the whole name of an object, by SHA-1 or SHA-256. */
export function isCommit(text: string): boolean {
  return COMMIT.test(text);
}

/** What git-check-ref-format(1) forbids, patterns among it, and any beginning that could be an option. */
const FORBIDDEN = /[\u0000-\u0020\u007f~^:?*[\\]|\.\.|@\{|\/\/|^[-/.]|\/[.-]|[/.]$|\.lock(?:\/|$)|^@$/;
const LONGEST = 1024;

/**
 * A ref that may stand in a command: as a user, or a server that need not be honest, named it. `SLIPWAY_GIT_REF_INVALID` for
 * anything that is no ref's name.
 */
export function checkRef(ref: string): string {
  if (ref !== '' && ref.length <= LONGEST && !FORBIDDEN.test(ref)) return ref;
  throw new SlipwayError('SLIPWAY_GIT_REF_INVALID', `${JSON.stringify(ref.slice(0, 200))} is no name of a Git ref`, {
    hint: 'a ref is a branch, a tag or a whole commit, such as main, v1.2 or refs/pull/7/head',
  });
}

/** The lines of `git ls-remote`: objects by ref. Lines that are none are left out. */
export function parseRefList(text: string): { readonly objects: ReadonlyMap<string, string>; readonly head?: string } {
  const objects = new Map<string, string>();
  let head: string | undefined;
  for (const line of text.split('\n')) {
    const [left = '', name = ''] = line.split('\t', 2);
    if (left.startsWith('ref: ') && name === 'HEAD') head ??= left.slice('ref: '.length);
    else if (isCommit(left)) objects.set(name, left);
  }
  return head === undefined ? { objects } : { objects, head };
}

/** What `ref` means among a server's refs, in BuildKit's order: the name itself, then a branch, then a tag. */
export function findRef(
  ref: string,
  objects: ReadonlyMap<string, string>,
): { readonly ref: string; readonly object: string; readonly peeled?: string } | undefined {
  const tag = `refs/tags/${ref.replace(/^refs\/tags\//, '')}`;
  const names = [`refs/${ref.replace(/^refs\//, '')}`, `refs/heads/${ref.replace(/^refs\/heads\//, '')}`, tag];
  for (const name of names) {
    const object = objects.get(name);
    const peeled = name === tag ? objects.get(`${tag}^{}`) : undefined;
    if (object !== undefined) return { ref: name, object, ...(peeled === undefined ? {} : { peeled }) };
  }
  return undefined;
}
