import type { SlipwayError } from '../../src/core/errors.ts';
import type { ProgressEvent, StepOutcome } from '../../src/core/progress.ts';

/** Makes progress events with a clock that the test moves; times are milliseconds after `start`. */
export function eventStream(emit: (event: ProgressEvent) => void, start = 1_000_000) {
  return {
    begin: (at = 0) => emit({ type: 'build-started', at: start + at, version: 1 }),
    end: (at: number, outcome: 'built' | 'failed' | 'cancelled' = 'built') =>
      emit({ type: 'build-finished', at: start + at, outcome }),
    plan: (...names: string[]) => {
      for (const name of names) emit({ type: 'step-planned', at: start, step: { id: name, name } });
    },
    start: (id: string, at: number) => emit({ type: 'step-started', at: start + at, id }),
    output: (id: string, at: number, text: string | Uint8Array, stream: 'stdout' | 'stderr' = 'stdout') =>
      emit({ type: 'step-output', at: start + at, id, stream, data: Buffer.from(text) }),
    transfer: (id: string, at: number, current: number, total?: number) =>
      emit({
        type: 'step-progress',
        at: start + at,
        id,
        task: 'layer',
        current,
        unit: 'bytes',
        ...(total === undefined ? {} : { total }),
      }),
    finish: (id: string, at: number, outcome: StepOutcome = 'done', error?: SlipwayError) =>
      emit({ type: 'step-finished', at: start + at, id, outcome, ...(error === undefined ? {} : { error }) }),
    warn: (message: string) =>
      emit({ type: 'warning', at: start, code: 'StageNameCasing', message, file: 'Dockerfile', line: 3 }),
    notice: (message: string) => emit({ type: 'notice', at: start, message }),
  };
}
