import { SlipwayError } from '../../src/core/errors.ts';
import type { OpResolver } from '../solver.ts';
import type { Vertex } from '../vertex.ts';
import { createDiffOp } from './diff-op.ts';
import { createExecOp } from './exec-op.ts';
import { createFileOp } from './file-op.ts';
import { createHttpOp } from './http-op.ts';
import { createImageOp } from './image-op.ts';
import { createLocalOp } from './local-op.ts';
import { createMergeOp } from './merge-op.ts';
import type { OpServices } from './services.ts';

/** Gives every kind of vertex its behaviour. */
export function createOpResolver(services: OpServices): OpResolver {
  return (vertex) => {
    const { op } = vertex;
    switch (op.kind) {
      case 'image':
        return createImageOp(op, services);
      case 'local':
        return createLocalOp(op, services);
      case 'http':
        return createHttpOp(op, services);
      case 'git':
        throw unsupported(vertex, `checking out ${op.url}`);
      case 'exec':
        return createExecOp(op, vertex, services);
      case 'file':
        return createFileOp(vertex, services);
      case 'merge':
        return createMergeOp(op, vertex);
      case 'diff':
        return createDiffOp(op, vertex, services);
      default:
        throw new Error(`internal: unknown op ${JSON.stringify(op satisfies never)}`);
    }
  };
}

function unsupported({ options }: Vertex, what: string): SlipwayError {
  const error = new SlipwayError('SLIPWAY_OP_UNSUPPORTED', `${options.name}: ${what} is not supported`);
  return options.source === undefined ? error : error.at(options.source);
}
