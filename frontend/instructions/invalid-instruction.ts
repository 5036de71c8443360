import { SlipwayError } from '../../src/core/errors.ts';

/** The error of an instruction whose arguments do not make sense. */
export function invalidInstruction(message: string, hint?: string): SlipwayError {
  return new SlipwayError('SLIPWAY_INSTRUCTION_INVALID', message, hint === undefined ? {} : { hint });
}
