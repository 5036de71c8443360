import { posix } from 'node:path';

/** Parts put together and cleaned as Go's path.Join does: no `.`, no `..` above the root, no slash at the end. */
export function joinPath(...parts: readonly string[]): string {
  const joined = posix.join(...parts);
  return joined.length > 1 && joined.endsWith('/') ? joined.slice(0, -1) : joined;
}

/** A path of a context or an image: absolute, cleaned, and never above the root. */
export function rootedPath(path: string): string {
  return joinPath('/', path);
}

/** Where a COPY goes: absolute and cleaned, with a slash at the end where a folder was written (`dir/`, `dir/.`, `.`). */
export function destinationPath(written: string, workdir: string): string {
  const isFolder = written === '' || /(?:^|\/)\.?$/.test(written);
  const path = written.startsWith('/') ? rootedPath(written) : joinPath('/', workdir, written);
  return isFolder && path !== '/' ? `${path}/` : path;
}
