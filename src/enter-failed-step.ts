import type { FailedStep } from '../cache/failed-steps/failed-step-store.ts';
import { openFailedSteps } from '../cache/failed-steps/sqlite-failed-step-store.ts';
import { openStore } from '../cache/store.ts';
import type { BuildRequest } from './build-request.ts';
import { SlipwayError } from './core/errors.ts';
import { silentProgress } from './core/progress.ts';
import { openEngine } from './engine.ts';

/** A failed step by its id; `createdAt` in milliseconds since 1970. */
export type ListedStep = Pick<FailedStep, 'id' | 'createdAt' | 'description'>;

/** How a failed step is entered. */
export interface EnterOptions {
  readonly signal: AbortSignal;
  /** The step's id, or `@last`. */
  readonly step: string;
  /** Called once before the shell has the terminal. */
  readonly onOpen: (step: FailedStep) => void;
}

/**
 * Opens a shell in a failed step that the store of `request` keeps, in the terminal of standard input and standard error, with what the
 * request allows and the isolation that it asks for. Resolves to the shell's exit status.
 */
export async function enterFailedStep(request: BuildRequest, options: EnterOptions): Promise<number> {
  const { signal, step, onOpen } = options;
  // The shell has the terminal: nothing else may write there.
  using engine = openEngine({ request, progress: silentProgress, signal, stdout: process.stdout });
  const failed = engine.failedStep(step);
  onOpen(failed);
  try {
    await engine.enterFailedStep(failed);
    return 0;
  } catch (error) {
    if (error instanceof SlipwayError && error.exitCode !== undefined) return error.exitCode;
    throw error;
  }
}

/** The failed steps that the store in the folder `root` keeps, newest first. */
export function listFailedSteps(root: string): readonly ListedStep[] {
  using store = openStore(root);
  return openFailedSteps(store.database).list();
}
