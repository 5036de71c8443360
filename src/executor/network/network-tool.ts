import { accessSync, constants } from 'node:fs';
import { errnoOf } from '../../core/errors.ts';
import { findProgram } from '../oci-runtime.ts';

/** A program that gives a network namespace connections to the outside, without any privilege on the host's network. */
export interface NetworkTool {
  readonly name: 'pasta' | 'slirp4netns';
  readonly path: string;
}

const TUN = '/dev/net/tun';

/** The program to use: pasta, else slirp4netns; or why there is none. */
export function findNetworkTool(
  env: Readonly<Record<string, string | undefined>>,
): NetworkTool | { readonly missing: string } {
  for (const name of ['pasta', 'slirp4netns'] as const) {
    const path = findProgram(name, env);
    if (path === undefined) continue;
    const problem = tunProblem();
    return problem === undefined ? { name, path } : { missing: problem };
  }
  return { missing: 'neither pasta (package passt) nor slirp4netns is installed' };
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
