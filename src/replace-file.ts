import { renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { errnoOf, SlipwayError } from './core/errors.ts';
import { withFullDestination } from './export/full-destination.ts';
import { temporaryNameFor } from './export/temporary-name.ts';

/** Writes a small file that an option named, as a whole or not at all; a device or fifo is written to. */
export function replaceFile(option: string, path: string, text: string): void {
  try {
    const existing = statSync(path, { throwIfNoEntry: false });
    if (existing !== undefined && !existing.isFile()) writeFileSync(path, text);
    else writeBeside(path, text);
  } catch (error) {
    const full = withFullDestination(error, path, dirname(path));
    const errno = errnoOf(error);
    if (full !== error || errno === undefined) throw full;
    throw new SlipwayError('SLIPWAY_OUTPUT_UNWRITABLE', `${option}: cannot write ${path}: ${errno}`, { cause: error });
  }
}

function writeBeside(path: string, text: string): void {
  const temporary = temporaryNameFor(path);
  try {
    writeFileSync(temporary, text, { flag: 'wx' });
    renameSync(temporary, path);
  } catch (error) {
    rmSync(temporary, { force: true });
    throw error;
  }
}
