import type { OpResolver } from '../solver.ts';
import { createDiffOp } from './diff-op.ts';
import { createExecOp } from './exec-op.ts';
import { createFileOp } from './file-op.ts';
import { createGitOp } from './git-op.ts';
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
        return createGitOp(op, services);
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
