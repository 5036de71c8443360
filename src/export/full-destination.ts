import { SlipwayError } from '../core/errors.ts';
import { describeSpace, isOutOfSpace } from '../core/free-space.ts';

/** `error`, or what to say instead where it is that the disk of what is written to is full (`SLIPWAY_DISK_FULL`). `folder` is on it. */
export function withFullDestination(error: unknown, target: string, folder?: string): unknown {
  if (!isOutOfSpace(error)) return error;
  const space = folder === undefined ? '' : `, which ${describeSpace(folder)}`;
  return new SlipwayError('SLIPWAY_DISK_FULL', `cannot write ${target}: no space left on its disk${space}`, {
    cause: error,
    hint: 'make space, or name a destination on another disk; a file that was there before is as it was',
  });
}
