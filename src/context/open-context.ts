import { resolve } from 'node:path';
import { SlipwayError } from '../core/errors.ts';
import { withoutCredentials } from '../core/fetch-url.ts';
import { parseGitReference } from '../core/git-reference.ts';
import type { BuildContext, ContextServices } from './build-context.ts';
import { peek } from './byte-stream.ts';
import { fetchBytes, isHttpUrl } from './fetch-bytes.ts';
import { openFolderContext } from './folder-context.ts';

export interface OpenContextOptions {
  /** What a folder's path is relative to. */
  readonly cwd: string;
  /** `the build context`, `the context "assets"`. */
  readonly description: string;
}

/**
 * Opens what `--build-context` names: a folder (with its .dockerignore) or the URL of a tarball. The caller disposes it.
 */
export async function openContext(
  spec: string,
  { cwd, description }: OpenContextOptions,
  services: ContextServices,
): Promise<BuildContext> {
  if (parseGitReference(spec) !== undefined) {
    throw new SlipwayError(
      'SLIPWAY_GIT_UNSUPPORTED',
      `${description}: ${withoutCredentials(spec)} is a Git repository`,
      {
        hint: 'Git contexts are not supported yet: clone the repository and name its folder',
      },
    );
  }
  if (!isHttpUrl(spec)) return openFolderContext(resolve(cwd, spec), { description });
  const { looksLikeArchive, openArchiveContext, PEEK_BYTES } = await import('./archive-context.ts');
  const name = withoutCredentials(spec);
  const stream = await peek(fetchBytes(spec, services), PEEK_BYTES);
  if (looksLikeArchive(stream.head)) return openArchiveContext({ name, ...stream }, description, services);
  throw new SlipwayError('SLIPWAY_CONTEXT_INVALID', `${description}: ${name} is no tar archive`);
}
