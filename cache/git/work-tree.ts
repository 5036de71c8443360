import { chmodSync, type Dirent, lstatSync, lutimesSync, readdirSync, rmSync } from 'node:fs';
import { type BytePath, hostPath } from '../../src/core/byte-path.ts';

/** Removes `.git` here and in every folder below: a repository, or the file by which a submodule finds its own. */
export function removeGitFiles(folder: BytePath): void {
  for (const { path, entry } of walk(folder)) {
    if (entry.name === '.git') rmSync(hostPath(path), { recursive: true, force: true });
  }
}

/** Gives group and others what the owner has, but for writing: as with a umask of 022, whatever it was. */
export function setModes(folder: BytePath): void {
  const set = (path: BytePath) => {
    const { mode } = lstatSync(hostPath(path));
    const owner = (mode >> 6) & 7;
    const others = owner & 5;
    const wanted = (owner << 6) | (others << 3) | others;
    if ((mode & 0o7777) !== wanted) chmodSync(hostPath(path), wanted);
  };
  set(folder);
  for (const { path, entry } of walk(folder)) if (!entry.isSymbolicLink()) set(path);
}

/** Sets the time of everything, in seconds since 1970. */
export function setTimes(folder: BytePath, seconds: number): void {
  const paths = [folder, ...[...walk(folder)].map(({ path }) => path)];
  for (const path of paths) lutimesSync(hostPath(path), seconds, seconds);
}

interface Found {
  readonly path: BytePath;
  readonly entry: Dirent;
}

/** Everything below a folder, folders before what is in them; symlinks are not followed. */
function* walk(folder: BytePath): Generator<Found> {
  for (const entry of readdirSync(hostPath(folder), { withFileTypes: true, encoding: 'latin1' })) {
    const path = `${folder}/${entry.name}` as BytePath;
    yield { path, entry };
    // What the caller removed is gone.
    if (entry.isDirectory() && lstatSync(hostPath(path), { throwIfNoEntry: false }) !== undefined) yield* walk(path);
  }
}
