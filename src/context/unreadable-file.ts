import { type BytePath, displayPath } from '../core/byte-path.ts';
import { errnoOf, SlipwayError } from '../core/errors.ts';

/** What to throw for an error of reading a context's file or folder: `SLIPWAY_CONTEXT_UNREADABLE` where a right is missing. */
export function unreadable(path: BytePath, error: unknown): unknown {
  const errno = errnoOf(error);
  if (errno !== 'EACCES' && errno !== 'EPERM') return error;
  const message = `cannot read "${displayPath(path)}" of the build context: ${errno}`;
  return new SlipwayError('SLIPWAY_CONTEXT_UNREADABLE', message, {
    hint: 'make it readable for the user that builds, or exclude it in .dockerignore',
    cause: error,
  });
}
