import type { FailedProcess } from '../../../cache/failed-steps/failed-step-store.ts';
import type { ActiveLayer, LayerStack } from '../../../cache/layers/layer-store.ts';
import { SlipwayError } from '../../../src/core/errors.ts';
import type { ContainerMount, ExecutorContext } from '../../../src/core/executor.ts';
import type { FailureServices } from '../services.ts';
import { enterStep } from './enter-step.ts';
import { mountsToKeep } from './kept-mounts.ts';
import type { MountRequest } from './prepare-mounts.ts';

/** A RUN whose command failed, while all that it ran with is still there. */
export interface FailedRun {
  readonly request: MountRequest;
  readonly root: LayerStack;
  /** What it wrote. Committed here. */
  readonly layer: ActiveLayer;
  /** As it ran, with the values of secrets. */
  readonly process: FailedProcess;
  /** The same without what must not be kept. */
  readonly keptProcess: FailedProcess;
  readonly mounts: readonly ContainerMount[];
  readonly context: ExecutorContext;
}

/**
 * Keeps what is left of a RUN, and opens a shell in it, where the user wants either. Resolves to the error to report: the given one, which says how to
 * get back there. Errors that are not the command's own (exit status) are nothing to look into.
 */
export async function afterFailedRun(error: unknown, run: FailedRun, failures: FailureServices): Promise<unknown> {
  if (!(error instanceof SlipwayError) || error.exitCode === undefined) return error;
  const { keep, lendTerminal } = failures;
  if (run.context.signal.aborted || (keep === 0 && lendTerminal === undefined)) return error;
  const executor = await run.request.services.executor();
  // There would be no way into what is kept, which may lack what the step wrote, too.
  if (executor.runInTerminal === undefined)
    return lendTerminal === undefined ? error : withHint(error, `isolation ${executor.name} opens no shells`);
  const hints: string[] = [];
  try {
    const stack = [...run.root, await run.layer.commit()];
    if (keep > 0) {
      await save(run, stack, failures);
      hints.push(`${await failures.shellCommand()} @last opens a shell where it failed`);
    }
    if (lendTerminal !== undefined) await lendTerminal(error, () => enter(run, stack));
  } catch (problem) {
    // What the user has to know first is why the step failed.
    hints.push(`what it left could not be kept or entered: ${problem instanceof Error ? problem.message : problem}`);
  }
  return hints.length === 0 ? error : withHint(error, hints.join('; '));
}

async function save(run: FailedRun, stack: LayerStack, { store, keep }: FailureServices): Promise<void> {
  const kept = await mountsToKeep(run.request);
  store.save({ description: run.request.vertex.options.name, stack, process: run.keptProcess, ...kept }, keep);
}

/** The shell's own status is nobody's concern. */
async function enter({ request, process, mounts, context }: FailedRun, stack: LayerStack): Promise<void> {
  const terminalType = request.services.failures?.terminalType;
  try {
    await enterStep({ stack, process, mounts }, { ...request.services, terminalType }, context);
  } catch (error) {
    if (!(error instanceof SlipwayError) || error.exitCode === undefined) throw error;
  }
}

function withHint(error: SlipwayError, hint: string): SlipwayError {
  const { code, message, exitCode, cause, outputTail, source } = error;
  return new SlipwayError(code as `SLIPWAY_${string}`, message, {
    hint: error.hint === undefined ? hint : `${error.hint}; ${hint}`,
    ...(exitCode === undefined ? {} : { exitCode }),
    ...(cause === undefined ? {} : { cause }),
    ...(outputTail === undefined ? {} : { outputTail }),
    ...(source === undefined ? {} : { source }),
  });
}
