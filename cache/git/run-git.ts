import { type ChildProcess, spawn } from 'node:child_process';
import { errnoOf, SlipwayError } from '../../src/core/errors.ts';
import type { GitOutput } from './git-source.ts';
import { TRANSFER_LIMITS, type TransferLimits, watchTransfer } from './transfer-limits.ts';

/** A run of git. */
export interface GitCommand {
  readonly args: readonly string[];
  /** The whole environment; see `gitEnvironment`. */
  readonly env: Readonly<Record<string, string>>;
  readonly cwd: string;
  readonly signal: AbortSignal;
  readonly onOutput?: GitOutput;
  /** Default: `TRANSFER_LIMITS`. */
  readonly limits?: TransferLimits;
}

/** What git ended with. */
export interface GitResult {
  readonly isSuccess: boolean;
  readonly stdout: string;
  /** The end of what it said. */
  readonly stderr: string;
}

/** More than any list of the few refs that are asked for. */
const STDOUT_LIMIT = 16 * 1024 * 1024;
const STDERR_TAIL = 8 * 1024;

/**
 * Runs git and waits for it and all that it started to end; aborting kills them. `SLIPWAY_GIT_MISSING` where there is no git,
 * `SLIPWAY_GIT_STOPPED` where it came to a limit; that git fails is a result, not an error.
 */
export async function runGit(command: GitCommand): Promise<GitResult> {
  const { args, env, cwd, signal, onOutput, limits = TRANSFER_LIMITS } = command;
  signal.throwIfAborted();
  // A group of its own, for git leaves the transfer to helpers that outlive it when it is killed.
  const child = spawn('git', args, { cwd, env, stdio: ['ignore', 'pipe', 'pipe'], detached: true });
  const kill = () => killGroup(child);
  let stopped: string | undefined;
  const stop = (reason: string) => {
    stopped = reason;
    kill();
  };
  using _watch = child.pid === undefined ? undefined : watchTransfer(child.pid, { folder: cwd, limits, stop });
  signal.addEventListener('abort', kill);
  try {
    const stdout: Buffer[] = [];
    let size = 0;
    let tail = Buffer.alloc(0);
    child.stdout.on('data', (data: Buffer) => {
      size += data.length;
      if (size > STDOUT_LIMIT) kill();
      else stdout.push(data);
    });
    child.stderr.on('data', (data: Buffer) => {
      onOutput?.(data);
      tail = Buffer.concat([tail, data.subarray(-STDERR_TAIL)]).subarray(-STDERR_TAIL);
    });
    const code = await exitOf(child);
    signal.throwIfAborted();
    if (stopped !== undefined) throw stoppedAt(args, stopped);
    if (size > STDOUT_LIMIT) {
      return { isSuccess: false, stdout: '', stderr: `git ${args[0]} printed more than ${STDOUT_LIMIT} bytes` };
    }
    return { isSuccess: code === 0, stdout: Buffer.concat(stdout).toString(), stderr: tail.toString() };
  } finally {
    signal.removeEventListener('abort', kill);
  }
}

function killGroup({ pid }: ChildProcess): void {
  if (pid === undefined) return;
  try {
    process.kill(-pid, 'SIGKILL');
  } catch (error) {
    if (errnoOf(error) !== 'ESRCH') throw error;
  }
}

function stoppedAt(args: readonly string[], reason: string): SlipwayError {
  return new SlipwayError('SLIPWAY_GIT_STOPPED', `git ${args[0]} was stopped: ${reason}`, {
    hint: 'the server, or what it sends, is not as it should be; try again, or fetch the repository on this machine and name its folder',
  });
}

function exitOf(child: ChildProcess): Promise<number | null> {
  return new Promise((resolve, reject) => {
    child.on('error', (error) => reject(notStarted(error)));
    child.on('close', (code) => resolve(code));
  });
}

function notStarted(error: Error): Error {
  if (errnoOf(error) !== 'ENOENT') return error;
  return new SlipwayError('SLIPWAY_GIT_MISSING', 'git is needed for Git repositories, and is not on this machine', {
    hint: 'install git, version 2.31 or later',
    cause: error,
  });
}
