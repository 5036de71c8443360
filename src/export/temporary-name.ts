import { randomBytes } from 'node:crypto';
import { readdirSync, rmSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { isProcessIdentity, livenessOf, ownIdentity } from '../../cache/process-identity.ts';
import { errnoOf } from '../core/errors.ts';

/** Characters of the final name in a temporary one: with the identity, it has to fit into 255 bytes. */
const NAME_LENGTH = 32;

/**
 * A path beside `target`, where what is renamed to it is to be written. Its name tells who writes it (`.NAME.IDENTITY.RANDOM.tmp`): what
 * a process that was killed left for this target is removed first.
 */
export function temporaryNameFor(target: string): string {
  const folder = dirname(target);
  const start = basename(target).slice(0, NAME_LENGTH);
  for (const name of namesIn(folder)) if (isAbandoned(name, start)) remove(join(folder, name));
  return join(folder, temporaryName(start));
}

/** A name that no other process chooses, for what will be renamed. `start` is what it is known by. */
export function temporaryName(start: string): string {
  return `.${start}.${ownIdentity()}.${randomBytes(4).toString('hex')}.tmp`;
}

/** Whether the name is a temporary one with this start, of a process that has ended. */
export function isAbandoned(name: string, start: string): boolean {
  const prefix = `.${start}.`;
  if (!name.startsWith(prefix) || !name.endsWith('.tmp')) return false;
  const [identity = ''] = name.slice(prefix.length).split('.');
  return isProcessIdentity(identity) && livenessOf(identity) === 'dead';
}

/** None where the folder is still to be made or may not be read. */
function namesIn(folder: string): readonly string[] {
  try {
    return readdirSync(folder);
  } catch (error) {
    const errno = errnoOf(error);
    if (errno === 'ENOENT' || errno === 'ENOTDIR' || errno === 'EACCES') return [];
    throw error;
  }
}

/** Another user's leftover stays. */
function remove(path: string): void {
  try {
    rmSync(path, { force: true });
  } catch (error) {
    const errno = errnoOf(error);
    if (errno !== 'EACCES' && errno !== 'EPERM' && errno !== 'EROFS') throw error;
  }
}
