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
  const prefix = `.${basename(target).slice(0, NAME_LENGTH)}.`;
  for (const name of namesIn(folder)) if (isAbandoned(name, prefix)) remove(join(folder, name));
  return join(folder, `${prefix}${ownIdentity()}.${randomBytes(4).toString('hex')}.tmp`);
}

function isAbandoned(name: string, prefix: string): boolean {
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
