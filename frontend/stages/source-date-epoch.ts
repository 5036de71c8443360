import { SlipwayError } from '../../src/core/errors.ts';
import type { FrontendRequest } from '../frontend.ts';

const NAME = 'SOURCE_DATE_EPOCH';

/** The request with SOURCE_DATE_EPOCH, from the environment or a build argument, as a build argument in plain seconds, or gone. */
export function withEpochArgument(request: FrontendRequest): FrontendRequest {
  const { [NAME]: given = request.epoch?.toString(), ...others } = request.buildArgs;
  const epoch = given === undefined ? undefined : parseEpoch(given);
  return { ...request, buildArgs: epoch === undefined ? others : { ...others, [NAME]: String(epoch) } };
}

/**
 * Seconds of a SOURCE_DATE_EPOCH value; undefined for an empty one, and for `context`, which has no time of its own where it is a
 * folder. Throws SLIPWAY_EPOCH_INVALID for anything else that is no whole number.
 */
export function parseEpoch(value: string): number | undefined {
  if (value === '' || value === 'context') return undefined;
  const seconds = Number(value);
  if (/^[+-]?\d+$/.test(value) && Number.isSafeInteger(seconds)) return seconds;
  throw new SlipwayError('SLIPWAY_EPOCH_INVALID', `invalid SOURCE_DATE_EPOCH: ${value}`, {
    hint: 'set it to whole seconds since 1970, for instance $(git log -1 --format=%ct); the times of other stages and contexts are not read',
  });
}
