import type { UnusedBuildArg } from '../frontend/frontend.ts';
import type { ProgressSink } from './core/progress.ts';

/** Warns of build arguments that changed nothing, in docker's words, and says what was probably meant. */
export function emitUnusedBuildArgs(unused: readonly UnusedBuildArg[], progress: ProgressSink): void {
  for (const { name, meant } of unused) {
    const suggestion = meant === undefined ? '' : ` (did you mean ${meant}?)`;
    const message = `One or more build-args [${name}] were not consumed${suggestion}`;
    progress.emit({ type: 'warning', at: Date.now(), code: 'BuildArgNotConsumed', message });
  }
}
