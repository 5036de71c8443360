import { type BytePath, displayPath } from '../../src/core/byte-path.ts';
import { SlipwayError } from '../../src/core/errors.ts';

/** PATH_MAX of Linux, with its NUL. */
const PATH_LIMIT = 4096;
/** NAME_MAX of Linux. */
const NAME_LIMIT = 255;

/** An archive's path as an absolute clean one: `.` and empty components fall away, `..` stops at the root. */
export function rootedPath(path: BytePath): BytePath {
  const done: string[] = [];
  for (const name of path.split('/')) {
    if (name === '' || name === '.') continue;
    if (name === '..') done.pop();
    else done.push(name);
  }
  return `/${done.join('/')}` as BytePath;
}

/** The path of the folder that the path is in. */
export function parentOf(path: BytePath): BytePath {
  const end = path.lastIndexOf('/');
  return (end <= 0 ? '/' : path.slice(0, end)) as BytePath;
}

/** Refuses what the kernel could not make below `root`: a path above 4096 bytes, a name above 255. */
export function checkPathLength(root: string, path: BytePath): void {
  const tooLong = root.length + path.length >= PATH_LIMIT;
  if (!tooLong && (path.length <= NAME_LIMIT || path.split('/').every((name) => name.length <= NAME_LIMIT))) return;
  throw new SlipwayError(
    'SLIPWAY_LAYER_PATH_TOO_LONG',
    `a layer has a path that this system cannot make: ${path.length} bytes, ${displayPath(path).slice(0, 100)}…`,
  );
}
