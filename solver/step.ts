import type { SlipwayError } from '../src/core/errors.ts';
import { withoutCredentials } from '../src/core/fetch-url.ts';
import type { ProgressEvent, ProgressSink, StepOutcome } from '../src/core/progress.ts';
import type { Vertex } from './vertex.ts';

/** What progress is told of one vertex: planned, started, finished, each once and in this order. */
export interface Step {
  readonly id: string;
  /** For the op: output and transfers, which start the step if they come first. */
  readonly sink: ProgressSink;
  plan(): void;
  start(): void;
  /** Only the first outcome counts. */
  finish(outcome: StepOutcome, error?: SlipwayError): void;
}

/** The step of `vertex`; nothing is emitted yet. */
export function createStep(vertex: Vertex, progress: ProgressSink): Step {
  const id = vertex.digest;
  let state: 'new' | 'planned' | 'started' | 'finished' = 'new';
  const step: Step = {
    id,
    sink: {
      emit(event) {
        if (isOutputOf(id, event)) step.start();
        progress.emit(event);
      },
    },
    plan() {
      if (state !== 'new') return;
      state = 'planned';
      const { stage, source } = vertex.options;
      const name = withoutCredentials(vertex.options.name);
      const place = { ...(stage === undefined ? {} : { stage }), ...(source && { line: source.range.startLine }) };
      progress.emit({ type: 'step-planned', at: Date.now(), step: { id, name, ...place } });
    },
    start() {
      step.plan();
      if (state !== 'planned') return;
      state = 'started';
      progress.emit({ type: 'step-started', at: Date.now(), id });
    },
    finish(outcome, error) {
      step.plan();
      if (state === 'finished') return;
      state = 'finished';
      const failure = error === undefined ? {} : { error };
      progress.emit({ type: 'step-finished', at: Date.now(), id, outcome, ...failure });
    },
  };
  return step;
}

function isOutputOf(id: string, event: ProgressEvent): boolean {
  return (event.type === 'step-output' || event.type === 'step-progress') && event.id === id;
}
