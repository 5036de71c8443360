import { chmodSync, lstatSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { isProcessIdentity, livenessOf, ownIdentity } from '../../cache/process-identity.ts';
import { errnoOf } from '../../src/core/errors.ts';

/** Short, because podman takes no path of more than 50 characters for its files. */
const PREFIX = 'slip-';
/** Says in a run's folder which process it is of. */
const OWNER = 'owner';

/**
 * Makes one folder for all temporary files of a run of the tests, by TMPDIR, which its processes inherit; it is removed when this process ends.
 * Removes first what runs left that were killed. Does nothing where this process has a folder already.
 */
export function enterRunFolder(): void {
  if (ownerOf(tmpdir()) === ownIdentity()) return;
  removeDeadRuns(tmpdir());
  const folder = mkdtempSync(join(tmpdir(), PREFIX));
  writeFileSync(join(folder, OWNER), ownIdentity());
  // For other users as well, as whom some tests run programs.
  chmodSync(folder, 0o1777);
  process.env.TMPDIR = folder;
  process.on('exit', () => rmSync(folder, { recursive: true, force: true }));
}

/** Removes folders of runs whose process is dead: this user's own alone, and none that something is mounted in. */
export function removeDeadRuns(temporary: string): void {
  const mounts = readFileSync('/proc/self/mountinfo', 'utf8');
  for (const name of readdirSync(temporary)) {
    const folder = join(temporary, name);
    if (!name.startsWith(PREFIX) || mounts.includes(` ${folder}/`)) continue;
    const stats = lstatSync(folder, { throwIfNoEntry: false });
    if (stats?.isDirectory() !== true || stats.uid !== process.geteuid?.()) continue;
    const owner = ownerOf(folder) ?? '';
    if (isProcessIdentity(owner) && livenessOf(owner) === 'dead') rmSync(folder, { recursive: true, force: true });
  }
}

function ownerOf(folder: string): string | undefined {
  try {
    return readFileSync(join(folder, OWNER), 'utf8');
  } catch (error) {
    if (errnoOf(error) !== 'ENOENT') throw error;
    return undefined;
  }
}
