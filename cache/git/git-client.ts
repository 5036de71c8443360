import { dirname } from 'node:path';
import { SlipwayError } from '../../src/core/errors.ts';
import { withoutCredentials } from '../../src/core/fetch-url.ts';
import { type GitAccess, type GitProtocols, gitEnvironment } from './git-environment.ts';
import type { GitRemote } from './git-remote.ts';
import type { GitOutput } from './git-source.ts';
import { type GitResult, runGit } from './run-git.ts';

/** Runs git for one remote. */
export interface GitClient {
  readonly remote: GitRemote;
  /** Whether credentials are sent. */
  readonly isAuthorized: boolean;
  /** Runs git in `folder`; `SLIPWAY_GIT_FAILED` with what git said where it fails, and that `what` was not possible. */
  run(folder: string, args: readonly string[], options: GitRunOptions): Promise<string>;
  /** The same where failing is an answer, which nobody is told of. */
  attempt(folder: string, args: readonly string[], options?: GitOptions): Promise<GitResult>;
}

export interface GitRunOptions extends GitOptions {
  /** `fetch main`, for messages. */
  readonly what: string;
}

export interface GitOptions {
  readonly protocols?: GitProtocols;
  /** Added to the environment. */
  readonly env?: Readonly<Record<string, string>>;
}

/** A client whose runs end with the signal. */
export function createGitClient(
  remote: GitRemote,
  access: GitAccess,
  { signal, onOutput }: { readonly signal: AbortSignal; readonly onOutput?: GitOutput },
): GitClient {
  const start = (folder: string, args: readonly string[], { protocols = 'remote', env = {} }: GitOptions) => ({
    args,
    cwd: folder,
    // The store may lie in somebody's repository, whose configuration is none of ours.
    env: { ...gitEnvironment(remote, access, protocols), GIT_CEILING_DIRECTORIES: dirname(folder), ...env },
    signal,
  });
  const isAuthorized = access.authorization !== undefined;
  return {
    remote,
    isAuthorized,
    attempt: (folder, args, options = {}) => runGit(start(folder, args, options)),
    async run(folder, args, { what, ...options }) {
      const shown = onOutput === undefined ? {} : { onOutput };
      const result = await runGit({ ...start(folder, args, options), ...shown });
      if (result.isSuccess) return result.stdout;
      throw gitFailure(remote, what, { stderr: result.stderr, isAuthorized });
    },
  };
}

interface Failure {
  readonly stderr: string;
  readonly isAuthorized: boolean;
}

const UNAUTHORIZED =
  /could not read Username|Authentication failed|terminal prompts disabled|Permission denied \(|returned error: (?:401|403)/;
const REDIRECTED = /returned error: 30\d|unable to update url base from redirection|Maximum \(0\) redirects/i;

/** What git said, as an error. */
export function gitFailure({ url }: GitRemote, what: string, { stderr, isAuthorized }: Failure): SlipwayError {
  const lines = stderr
    .split('\n')
    .map((line) => withoutCredentials(line.replace(/^.*\r(?=.)/, '').trimEnd()))
    .filter((line) => line !== '');
  const reason = lines.findLast((line) => /^(?:fatal|error|remote): /.test(line)) ?? lines.at(-1) ?? 'git said nothing';
  const hint = UNAUTHORIZED.test(stderr)
    ? 'a private repository needs --secret id=GIT_AUTH_TOKEN for https, or --ssh default for ssh'
    : isAuthorized && REDIRECTED.test(stderr)
      ? 'credentials are not sent where the server redirects to: name that URL'
      : undefined;
  return new SlipwayError('SLIPWAY_GIT_FAILED', `cannot ${what} of ${url}: ${reason}`, {
    ...(hint === undefined ? {} : { hint }),
    outputTail: lines.slice(-20),
  });
}
