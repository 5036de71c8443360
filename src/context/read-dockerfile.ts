import { closeSync, constants, fstatSync, openSync, readdirSync, readFileSync } from 'node:fs';
import { basename, dirname } from 'node:path';
import { type BytePath, displayPath, hostPath, toBytePath } from '../core/byte-path.ts';
import { errnoOf, SlipwayError } from '../core/errors.ts';
import { type FileTree, resolvePath } from '../core/file-tree.ts';
import { suggest } from '../core/suggest.ts';
import type { DockerfileText } from './build-context.ts';

/** More than any Dockerfile that somebody wrote. */
export const DOCKERFILE_LIMIT = 16 * 1024 * 1024;

const DEFAULT_NAME = 'Dockerfile';
const LOWER_CASE_NAME = 'dockerfile';

/**
 * The Dockerfile at a path of this machine, with `dockerfile` in place of a `Dockerfile` that is not there. `shown` is how the
 * user named it. `path` is that of the file that was read. `SLIPWAY_DOCKERFILE_MISSING` names similar files.
 */
export function readDockerfile(path: string, shown: string): DockerfileText & { readonly path: string } {
  for (const name of namesFor(basename(path))) {
    const candidate = `${dirname(path)}/${name}`;
    const text = readRegular(toBytePath(candidate), shown);
    if (text !== undefined) return { name: withName(shown, name), text, path: candidate };
  }
  throw missing(shown, namesIn(dirname(path)));
}

/** The Dockerfile in a tree (an unpacked archive, a checkout), symlinks followed inside it. `path` is relative to its root. */
export function readDockerfileIn(tree: FileTree, path: string): DockerfileText {
  const folder = dirname(`/${path}`);
  for (const name of namesFor(basename(path))) {
    const resolved = resolvePath(tree, toBytePath(`${folder}/${name}`), 'follow');
    if (resolved === undefined || tree.lstat(resolved)?.type !== 'file') continue;
    const text = readRegular(tree.contentPath(resolved), path);
    if (text !== undefined) return { name: withName(path, name), text };
  }
  const resolvedFolder = resolvePath(tree, toBytePath(folder), 'follow');
  throw missing(path, resolvedFolder === undefined ? [] : tree.readdir(resolvedFolder).map(displayPath));
}

function namesFor(name: string): readonly string[] {
  return name === DEFAULT_NAME ? [DEFAULT_NAME, LOWER_CASE_NAME] : [name];
}

function withName(path: string, name: string): string {
  return path.slice(0, path.length - basename(path).length) + name;
}

/** Undefined where there is no such file. A fifo is not waited for. */
function readRegular(path: BytePath, shown: string): string | undefined {
  let descriptor: number;
  try {
    descriptor = openSync(hostPath(path), constants.O_RDONLY | constants.O_NONBLOCK);
  } catch (error) {
    const errno = errnoOf(error);
    if (errno === 'ENOENT' || errno === 'ENOTDIR') return undefined;
    if (errno !== 'EACCES' && errno !== 'ELOOP' && errno !== 'ENXIO' && errno !== 'ENAMETOOLONG') throw error;
    throw new SlipwayError('SLIPWAY_DOCKERFILE_UNREADABLE', `cannot read ${shown}: ${errno}`, { cause: error });
  }
  try {
    const stats = fstatSync(descriptor);
    if (!stats.isFile()) {
      const found = stats.isDirectory() ? 'a folder' : 'no regular file';
      throw new SlipwayError('SLIPWAY_DOCKERFILE_UNREADABLE', `cannot read ${shown}: it is ${found}`);
    }
    if (stats.size > DOCKERFILE_LIMIT) {
      throw new SlipwayError('SLIPWAY_DOCKERFILE_TOO_LARGE', `${shown} has more than ${DOCKERFILE_LIMIT} bytes`);
    }
    return readFileSync(descriptor, 'utf8');
  } finally {
    closeSync(descriptor);
  }
}

function namesIn(folder: string): readonly string[] {
  try {
    return readdirSync(folder);
  } catch (error) {
    const errno = errnoOf(error);
    if (errno === 'ENOENT' || errno === 'ENOTDIR' || errno === 'EACCES') return [];
    throw error;
  }
}

function missing(shown: string, names: readonly string[]): SlipwayError {
  const near = suggest(basename(shown), names);
  const similar = names.filter((name) => /dockerfile|containerfile/i.test(name) && !name.endsWith('.dockerignore'));
  const found = [...new Set([...(near === undefined ? [] : [near]), ...similar])].slice(0, 5);
  const hint =
    found.length === 0
      ? 'name the Dockerfile with -f, or the folder that it is in as the context'
      : `there is ${found.map((name) => `"${name}"`).join(', ')}: name the one that is meant with -f`;
  return new SlipwayError('SLIPWAY_DOCKERFILE_MISSING', `cannot find the Dockerfile "${shown}"`, { hint });
}
