import { resolve } from 'node:path';
import { type BytePath, toBytePath } from '../core/byte-path.ts';
import { SlipwayError } from '../core/errors.ts';
import type { BuildContext } from './build-context.ts';
import { parseGitContext } from './git-context.ts';

/** What of a build tells its context and what SOURCE_DATE_EPOCH is. */
export interface EpochRequest {
  readonly context: string;
  readonly cwd: string;
  readonly buildArgs: Readonly<Record<string, string>>;
  readonly env: Readonly<Record<string, string | undefined>>;
}

/**
 * Seconds of the commit that a context is of, where SOURCE_DATE_EPOCH is `context`; undefined where the build did not ask for that.
 * SLIPWAY_EPOCH_UNKNOWN where it asked and there is no commit.
 */
export async function contextEpoch(
  request: EpochRequest,
  context: BuildContext,
  signal: AbortSignal,
): Promise<number | undefined> {
  if (request.buildArgs.SOURCE_DATE_EPOCH !== 'context') return undefined;
  const git = parseGitContext(request.context);
  const epoch = git === undefined ? await timeOfFolder(request, signal) : timeOfCheckout(context);
  if (epoch !== undefined) return epoch;
  throw new SlipwayError(
    'SLIPWAY_EPOCH_UNKNOWN',
    `SOURCE_DATE_EPOCH=context: ${context.description} is not checked out from a Git commit`,
    { hint: 'build in a Git repository with a commit, or set SOURCE_DATE_EPOCH to seconds since 1970' },
  );
}

async function timeOfFolder({ context, cwd, env }: EpochRequest, signal: AbortSignal): Promise<number | undefined> {
  if (context === '-' || /^https?:\/\//.test(context)) return undefined;
  const { commitTimeOf } = await import('../../cache/git/commit-time.ts');
  return commitTimeOf(resolve(cwd, context), { env, signal });
}

/** With an epoch, the files of a checkout have the time of their commit. */
function timeOfCheckout({ tree }: BuildContext): number | undefined {
  const name = tree.readdir('/' as BytePath).find((path) => path !== toBytePath('.git'));
  return name === undefined ? undefined : tree.lstat(`/${name}` as BytePath)?.mtime;
}
