import { spawnSync } from 'node:child_process';
import { accessSync, constants } from 'node:fs';
import { errnoOf } from '../../core/errors.ts';
import { findProgram } from '../oci-runtime.ts';

/** A program that gives a network namespace connections to the outside, without any privilege on the host's network. */
export interface NetworkTool {
  readonly name: 'pasta' | 'slirp4netns';
  readonly path: string;
}

const TUN = '/dev/net/tun';
const VERSION_TIMEOUT_MS = 5000;

/** Earlier ones give the same bytes again and again to a program that closes its half of a connection first (seen with 2023_03_09). */
const OLDEST_PASTA = '20240101';

/** The program to use: pasta, else slirp4netns; or why there is none. */
export function findNetworkTool(
  env: Readonly<Record<string, string | undefined>>,
): NetworkTool | { readonly missing: string } {
  const [pasta, slirp] = [findProgram('pasta', env), findProgram('slirp4netns', env)];
  const tools: readonly NetworkTool[] = [
    ...(pasta !== undefined && isUsablePasta(pasta) ? [{ name: 'pasta', path: pasta } as const] : []),
    ...(slirp === undefined ? [] : [{ name: 'slirp4netns', path: slirp } as const]),
  ];
  const [tool] = tools;
  if (tool === undefined)
    return {
      missing:
        pasta === undefined
          ? 'neither pasta (package passt) nor slirp4netns is installed'
          : `${pasta} is older than ${OLDEST_PASTA}, and slirp4netns is not installed`,
    };
  const problem = tunProblem();
  return problem === undefined ? tool : { missing: problem };
}

/** Whether a pasta is young enough to be trusted with connections. */
export function isUsablePasta(path: string): boolean {
  return pastaDate(path) >= OLDEST_PASTA;
}

/** The date in a pasta's version (`2024_09_06.6b38f07`, `0.0~git20240906.6b38f07-1`), which old ones may not say; without separators. */
export function pastaDate(path: string): string {
  const { stdout } = spawnSync(path, ['--version'], { encoding: 'utf8', env: {}, timeout: VERSION_TIMEOUT_MS });
  const date = /^pasta .*?(20\d\d)_?(\d\d)_?(\d\d)/.exec(stdout ?? '');
  return date === null ? '' : date.slice(1).join('');
}

/** Both programs speak to the namespace by a tap device. */
function tunProblem(): string | undefined {
  try {
    accessSync(TUN, constants.R_OK | constants.W_OK);
    return undefined;
  } catch (error) {
    return `${TUN} cannot be opened: ${errnoOf(error)}`;
  }
}
