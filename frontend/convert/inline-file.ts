import { posix } from 'node:path';
import { type Vertex, vertex } from '../../solver/vertex.ts';

/** A text of the Dockerfile as a file. */
export interface InlineFile {
  readonly name: string;
  readonly text: string;
  readonly mode: number;
}

/** A filesystem with this one file at its root. */
export function inlineFile({ name, text, mode }: InlineFile): Vertex {
  const destination = posix.join('/', name);
  return vertex({ kind: 'file', root: 'scratch', actions: [{ action: 'mkfile', destination, text, mode }] }, [], {
    name: '[internal] preparing inline document',
  });
}
