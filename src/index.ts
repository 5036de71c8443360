/** The library behind the `slipway` command: everything that the command does, from TypeScript. */

export type * from './build-request.ts';
export { SlipwayError, type SourceExcerpt, type SourceRange } from './core/errors.ts';
export type { ProgressEvent, StepInfo, StepOutcome } from './core/progress.ts';
export type { Evaluation, EvaluationMethod } from './evaluate.ts';
export type { BuildGraph, GraphVertex } from './graph.ts';
export { build, evaluate, type GivenRequest, graph } from './library.ts';
