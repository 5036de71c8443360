import { firstFailure, SlipwayError } from '../src/core/errors.ts';
import type { Vertex } from './vertex.ts';

/** The error with the vertex that it happened in: its place, and its name where the error tells nothing a user would know. */
export function vertexFailure(vertex: Vertex, thrown: unknown): SlipwayError {
  const error = firstFailure(thrown);
  const { name, source } = vertex.options;
  const known =
    error instanceof SlipwayError
      ? error
      : new SlipwayError('SLIPWAY_STEP_FAILED', `${name}: ${error instanceof Error ? error.message : String(error)}`, {
          cause: error,
        });
  return source === undefined ? known : known.at(source);
}
