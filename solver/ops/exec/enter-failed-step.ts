import type { FailedStep } from '../../../cache/failed-steps/failed-step-store.ts';
import type { CacheMountStore } from '../../../cache/mounts/cache-mount-store.ts';
import type { ExecutorContext } from '../../../src/core/executor.ts';
import { type EnterServices, enterStep } from './enter-step.ts';
import { openKeptMounts } from './kept-mounts.ts';

/** Opens a shell in a failed step of the store, with the mounts that were kept. Rejects as `enterStep` does. */
export async function enterFailedStep(
  step: FailedStep,
  services: EnterServices & { readonly cacheMounts: CacheMountStore },
  context: ExecutorContext,
): Promise<void> {
  using held = new DisposableStack();
  const mounts = await openKeptMounts(step.mounts, services, { held, signal: context.signal });
  await enterStep({ stack: step.stack, process: step.process, mounts }, services, context);
}
