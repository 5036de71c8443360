import { randomBytes } from 'node:crypto';
import type { FailedProcess } from '../../../cache/failed-steps/failed-step-store.ts';
import type { LayerStack, LayerStore } from '../../../cache/layers/layer-store.ts';
import { SlipwayError } from '../../../src/core/errors.ts';
import type { ContainerMount, Executor, ExecutorContext } from '../../../src/core/executor.ts';
import { requireAllowed } from './entitlements.ts';
import { findShell } from './find-shell.ts';

/** What a shell is opened with. */
export interface EnterServices {
  readonly layers: LayerStore;
  executor(): Promise<Executor>;
  readonly entitlements: readonly string[];
  /** TERM of the user's terminal. */
  readonly terminalType: string | undefined;
}

/** A step as it is entered: its root, and the process that a shell takes the place of. */
export interface EnteredStep {
  readonly stack: LayerStack;
  readonly process: FailedProcess;
  readonly mounts: readonly ContainerMount[];
}

/**
 * Opens a shell in the user's terminal, where the step's command ran and as it ran: what that needed to be allowed, this does too. What
 * is changed in the root is thrown away. Rejects with the shell's status as `exitCode` where that is not 0.
 */
export async function enterStep(
  { stack, process, mounts }: EnteredStep,
  services: EnterServices,
  context: ExecutorContext,
): Promise<void> {
  requireAllowed(
    { ...process, devices: process.devices.map((name) => ({ name, required: true })) },
    services.entitlements,
  );
  const { layers, terminalType } = services;
  const executor = await services.executor();
  if (executor.runInTerminal === undefined)
    throw new SlipwayError('SLIPWAY_SHELL_UNSUPPORTED', `isolation ${executor.name} opens no shells in failed steps`, {
      hint: 'slipway doctor says what this machine lacks for the other kinds of isolation',
    });
  using mounted = await layers.mount(stack, context.signal);
  await using layer = await layers.prepare();
  using view = await layers.view(stack, context.signal);
  const { lowerDirs } = mounted;
  const shell = { ...process, id: randomBytes(12).toString('hex'), args: findShell(view, process) };
  await executor.runInTerminal(
    { ...shell, env: withTerminal(process.env, terminalType) },
    { lowerDirs, upperDir: layer.upperDir, workDir: layer.workDir },
    mounts,
    context,
  );
}

function withTerminal(env: readonly string[], type: string | undefined): readonly string[] {
  return env.some((variable) => variable.startsWith('TERM=')) ? env : [...env, `TERM=${type ?? 'xterm'}`];
}
