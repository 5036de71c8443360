import { SlipwayError } from './errors.ts';
import { withoutCredentials } from './fetch-url.ts';
import { parseGoBoolean } from './go-literals.ts';

/** A Git repository as BuildKit's URLs name it: `https://host/repo.git#ref:folder`, `git@host:repo.git?branch=main&subdir=folder`. */
export interface GitReference {
  /** What git is given: without query and fragment. */
  readonly remote: string;
  /** Commit, tag, branch or full ref name; undefined is the default branch. */
  readonly ref?: string;
  readonly subdir?: string;
  /** The commit that must come out. */
  readonly checksum?: string;
  readonly keepGitDir?: boolean;
  readonly submodules?: boolean;
  /** Files have the time of the commit rather than that of the checkout. */
  readonly mtime?: 'commit';
  /** The server is asked for the commit of `checksum` itself, and not what `ref` means there. */
  readonly fetchByCommit?: boolean;
}

const SCHEME = /^([a-zA-Z0-9]+):\/\//;
const SCP = /^[a-zA-Z0-9_-]+@[a-zA-Z0-9.-]+:/;
const SCHEMES = new Set(['http', 'https', 'ssh', 'git']);

/**
 * Reads a Git URL; undefined where the text is none (an http URL is one only if its path ends in `.git`). Throws
 * SLIPWAY_GIT_URL_INVALID for a query that BuildKit refuses.
 */
export function parseGitReference(text: string): GitReference | undefined {
  const hash = text.indexOf('#');
  const beforeHash = hash < 0 ? text : text.slice(0, hash);
  const question = beforeHash.indexOf('?');
  const remote = question < 0 ? beforeHash : beforeHash.slice(0, question);
  if (!isGitRemote(remote)) return undefined;
  const fragment = hash < 0 ? '' : unescaped(text.slice(hash + 1), text);
  const query = new URLSearchParams(question < 0 ? '' : beforeHash.slice(question + 1));
  return withQuery({ remote, ...fragmentParts(fragment) }, query, text);
}

/** The fragment of a URL is percent-decoded; that of `git@host:path` as well. */
function unescaped(fragment: string, text: string): string {
  try {
    return decodeURIComponent(fragment);
  } catch (cause) {
    if (!(cause instanceof URIError)) throw cause;
    throw new SlipwayError('SLIPWAY_GIT_URL_INVALID', `${withoutCredentials(text)}: invalid escape in its fragment`);
  }
}

function isGitRemote(remote: string): boolean {
  const scheme = SCHEME.exec(remote)?.[1]?.toLowerCase();
  if (scheme === undefined) return SCP.test(remote);
  if (!SCHEMES.has(scheme) || !URL.canParse(remote)) return false;
  return !scheme.startsWith('http') || new URL(remote).pathname.endsWith('.git');
}

function fragmentParts(fragment: string): { readonly ref?: string; readonly subdir?: string } {
  const colon = fragment.indexOf(':');
  const ref = colon < 0 ? fragment : fragment.slice(0, colon);
  const subdir = cleanSubdir(colon < 0 ? '' : fragment.slice(colon + 1));
  return { ...(ref === '' ? {} : { ref }), ...(subdir === '' ? {} : { subdir }) };
}

/** Without `.`, `..` above the root, and slashes around it. */
function cleanSubdir(path: string): string {
  const components: string[] = [];
  for (const component of path.split('/')) {
    if (component === '..') components.pop();
    else if (component !== '' && component !== '.') components.push(component);
  }
  return components.join('/');
}

const FLAGS = new Set(['submodules', 'keep-git-dir', 'fetch-by-commit']);

function withQuery(reference: GitReference, query: URLSearchParams, text: string): GitReference {
  const invalid = (why: string) =>
    new SlipwayError('SLIPWAY_GIT_URL_INVALID', `${withoutCredentials(text)}: ${why}`, {
      hint: 'a Git URL takes ?ref=, branch=, tag=, subdir=, checksum=, keep-git-dir= and submodules=',
    });
  const values: Record<string, string> = {};
  for (const key of new Set(query.keys())) {
    const [value = '', ...more] = query.getAll(key);
    if (more.length > 0) throw invalid(`query ${JSON.stringify(key)} has multiple values`);
    if (value === '' && !FLAGS.has(key)) throw invalid(`query ${JSON.stringify(key)} has no value`);
    if (!KEYS.has(key)) throw invalid(`unexpected query ${JSON.stringify(key)}`);
    values[key] = value;
  }
  if (values.mtime !== undefined && !['checkout', 'commit'].includes(values.mtime))
    throw invalid(`invalid mtime value: ${JSON.stringify(values.mtime)} (must be "checkout" or "commit")`);
  const ref = refOf(reference.ref, values, invalid);
  const subdir = values.subdir === undefined ? reference.subdir : cleanSubdir(values.subdir);
  if (reference.subdir !== undefined && subdir !== reference.subdir)
    throw invalid(`subdir conflicts: ${JSON.stringify(reference.subdir)} vs ${JSON.stringify(values.subdir)}`);
  const flag = (key: string) => flagOf(key, values[key], invalid);
  const [keepGitDir, submodules, fetchByCommit] = [flag('keep-git-dir'), flag('submodules'), flag('fetch-by-commit')];
  const checksum = values.commit ?? values.checksum;
  return {
    remote: reference.remote,
    ...(ref === undefined ? {} : { ref }),
    ...(subdir === undefined || subdir === '' ? {} : { subdir }),
    ...(checksum === undefined ? {} : { checksum }),
    ...(keepGitDir === undefined ? {} : { keepGitDir }),
    ...(submodules === undefined ? {} : { submodules }),
    ...(values.mtime === 'commit' ? { mtime: 'commit' } : {}),
    ...(fetchByCommit ? { fetchByCommit } : {}),
  };
}

const KEYS = new Set([...FLAGS, 'ref', 'tag', 'branch', 'subdir', 'checksum', 'commit', 'mtime']);

type Invalid = (why: string) => SlipwayError;

/** The one ref that fragment and query agree on. */
function refOf(fragment: string | undefined, values: Readonly<Record<string, string>>, invalid: Invalid) {
  const { ref: plain, tag, branch } = values;
  if (tag !== undefined && branch !== undefined) throw invalid('branch conflicts with tag');
  const prefixed = (prefix: string, name: string) => (name.startsWith(prefix) ? name : prefix + name);
  const wanted = [
    fragment,
    plain,
    tag === undefined ? undefined : prefixed('refs/tags/', tag),
    branch === undefined ? undefined : prefixed('refs/heads/', branch),
  ].filter((ref) => ref !== undefined);
  const other = wanted.find((ref) => ref !== wanted[0]);
  if (other !== undefined) throw invalid(`ref conflicts: ${JSON.stringify(wanted[0])} vs ${JSON.stringify(other)}`);
  return wanted[0];
}

function flagOf(key: string, value: string | undefined, invalid: Invalid): boolean | undefined {
  if (value === undefined) return undefined;
  const read = value === '' ? true : parseGoBoolean(value);
  if (read === undefined) throw invalid(`invalid ${key} value: ${JSON.stringify(value)}`);
  return read;
}
