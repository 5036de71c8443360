import { rmSync } from 'node:fs';
import { toBytePath } from '../core/byte-path.ts';
import { SlipwayError } from '../core/errors.ts';
import { withoutCredentials } from '../core/fetch-url.ts';
import { type GitReference, parseGitReference } from '../core/git-reference.ts';
import { compileIgnorePatterns } from '../core/ignore-patterns.ts';
import type { BuildContext, ContextServices } from './build-context.ts';
import { openFolderTree } from './folder-tree.ts';

/** What of the build decides over how a repository is checked out as its context. */
export interface GitContextOptions {
  readonly description: string;
  /** Of these, BUILDKIT_CONTEXT_KEEP_GIT_DIR and SOURCE_DATE_EPOCH count, as in BuildKit. */
  readonly buildArgs: Readonly<Record<string, string>>;
}

/** Reads a context that is a Git URL; `github.com/OWNER/REPOSITORY` is one too, as docker has it. Undefined for anything else. */
export function parseGitContext(text: string): GitReference | undefined {
  return parseGitReference(/^github\.com\//.test(text) ? asRepository(`https://${text}`) : text);
}

/** GitHub answers with and without `.git`; only with it the URL is known for a repository. */
function asRepository(url: string): string {
  const [, path = '', rest = ''] = /^([^?#]*)(.*)$/s.exec(url) ?? [];
  return `${path.replace(/\/$/, '').replace(/\.git$/, '')}.git${rest}`;
}

/**
 * A checkout as a context: all of it, for BuildKit does not read the ignore file of a repository. The caller disposes it. See
 * `GitRepositories` for its errors.
 */
export async function openGitContext(
  reference: GitReference,
  options: GitContextOptions,
  services: ContextServices,
): Promise<BuildContext> {
  const folder = await checkedOut(reference, options, services);
  return {
    tree: openFolderTree(toBytePath(folder), compileIgnorePatterns([], '.dockerignore')),
    excludedBy: () => undefined,
    description: options.description,
    // As for archives, the asynchronous call would ask for all files at once.
    [Symbol.asyncDispose]: async () => rmSync(folder, { recursive: true, force: true }),
  };
}

const STEP = 'load git context';

async function checkedOut(
  { remote, ...reference }: GitReference,
  { buildArgs }: GitContextOptions,
  { git, progress, signal }: ContextServices,
): Promise<string> {
  const { keepGitDir = isTrue(buildArgs.BUILDKIT_CONTEXT_KEEP_GIT_DIR), submodules = true } = reference;
  const mtime = reference.mtime ?? (buildArgs.SOURCE_DATE_EPOCH ? 'commit' : undefined);
  const source = { ...reference, url: remote, keepGitDir, submodules, ...(mtime === undefined ? {} : { mtime }) };
  const name = `[internal] load git source ${withoutCredentials(remote)}`;
  progress.emit({ type: 'step-planned', at: Date.now(), step: { id: STEP, name } });
  progress.emit({ type: 'step-started', at: Date.now(), id: STEP });
  try {
    const repositories = await git();
    const revision = await repositories.resolve(source, { signal });
    const onOutput = (data: Uint8Array) =>
      progress.emit({ type: 'step-output', at: Date.now(), id: STEP, stream: 'stderr', data });
    const folder = await repositories.checkOut(source, revision, { signal, onOutput });
    progress.emit({ type: 'step-finished', at: Date.now(), id: STEP, outcome: 'done' });
    return folder;
  } catch (error) {
    const failure = error instanceof SlipwayError && !signal.aborted ? { error } : {};
    const outcome = signal.aborted ? 'cancelled' : 'failed';
    progress.emit({ type: 'step-finished', at: Date.now(), id: STEP, outcome, ...failure });
    throw error;
  }
}

function isTrue(value: string | undefined): boolean {
  return /^(?:1|t|true)$/i.test(value ?? '');
}
