import { SlipwayError, type SourceExcerpt } from '../../src/core/errors.ts';

/** What `action` returns. A SlipwayError that it throws without a place gets `source`. */
export function located<Result>(source: SourceExcerpt, action: () => Result): Result {
  try {
    return action();
  } catch (error) {
    throw error instanceof SlipwayError ? error.at(source) : error;
  }
}
