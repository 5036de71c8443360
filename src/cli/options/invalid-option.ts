import { SlipwayError } from '../../core/errors.ts';

/** The error for an option whose value is wrong: `--ulimit: "nofile": expected NAME=SOFT[:HARD]`. */
export function invalidOption(option: string, problem: string, hint?: string): SlipwayError {
  return new SlipwayError('SLIPWAY_OPTION_INVALID', `${option}: ${problem}`, hint === undefined ? {} : { hint });
}

/** The error for an option that docker buildx has and slipway does not serve. */
export function unsupportedOption(option: string, why: string): SlipwayError {
  return new SlipwayError('SLIPWAY_OPTION_UNSUPPORTED', `${option}: ${why}`);
}
