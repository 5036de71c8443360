import { SlipwayError } from '../../../src/core/errors.ts';
import { describeSpace, isDiskFull } from '../../../src/core/free-space.ts';

/** The failure of a step's process, which says so where the disk that the step wrote to (`folder` is on it) is full. */
export function withFullDisk(error: unknown, folder: string): unknown {
  if (!(error instanceof SlipwayError) || error.code !== 'SLIPWAY_RUN_FAILED' || !isDiskFull(folder)) return error;
  const { message, exitCode, outputTail, cause } = error;
  return new SlipwayError(
    'SLIPWAY_RUN_FAILED',
    `${message}; the disk of the store is full: it ${describeSpace(folder)}`,
    {
      hint: 'make space there, or name a store on a larger disk with SLIPWAY_ROOT or --root; nothing of the step is kept',
      ...(exitCode === undefined ? {} : { exitCode }),
      ...(outputTail === undefined ? {} : { outputTail }),
      ...(cause === undefined ? {} : { cause }),
    },
  );
}
