import { randomBytes } from 'node:crypto';
import type { ActiveLayer, LayerStack } from '../../cache/layers/layer-store.ts';
import { SlipwayError } from '../../src/core/errors.ts';
import type { ProcessSpec } from '../../src/core/executor.ts';
import type { Op, OpContext } from '../solver.ts';
import type { ExecOp, Vertex } from '../vertex.ts';
import { requireAllowed } from './exec/entitlements.ts';
import { execCacheMap } from './exec/exec-key.ts';
import { withFullDisk } from './exec/full-disk.ts';
import { grantedDevices } from './exec/granted-devices.ts';
import { makeKernelFolders } from './exec/kernel-folders.ts';
import { captureOutput } from './exec/output.ts';
import { type MountRequest, type PreparedMounts, prepareMounts } from './exec/prepare-mounts.ts';
import { trustMounts } from './exec/trust.ts';
import type { OpServices } from './services.ts';

/** What BuildKit calls every container; what a RUN learns of its host's name ends up in images, so it is always the same. */
const HOSTNAME = 'buildkitsandbox';
/** The exit status of timeout(1) for a command that took too long. */
const TIMEOUT_STATUS = 124;
/** Where commands are looked for if nothing says so, as in BuildKit. */
const DEFAULT_PATH = 'PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';

/**
 * RUN: a process on top of the root; what it changes is one layer more. Throws at once, before anything is solved, for what the
 * user has to allow and did not (`SLIPWAY_ENTITLEMENT_MISSING`).
 */
export function createExecOp(op: ExecOp, vertex: Vertex, services: OpServices): Op {
  requireAllowed({ ...op, devices: [] }, services.entitlements);
  const devices = grantedDevices(op.devices, services.entitlements, services.devices);
  return opWithDevices({ ...op, devices: devices.map((name) => ({ name, required: true })) }, vertex, services);
}

function opWithDevices(op: ExecOp, vertex: Vertex, services: OpServices): Op {
  return {
    cacheMap: async () => execCacheMap(op, vertex, services),
    exec: async (inputs, context) => {
      const root = rootOf(op, inputs);
      await using held = new AsyncDisposableStack();
      const request = { op, vertex, inputs, services, signal: context.signal };
      const mounts = await prepareMounts(request, held);
      const { lowerDirs } = held.use(await services.layers.mount(root, context.signal));
      const layer = held.use(await services.layers.prepare());
      const writable = { lowerDirs, upperDir: layer.upperDir, workDir: layer.workDir };
      makeKernelFolders(writable);
      await run({ request, context, mounts, root, layer, writable });
      return [...root, await layer.commit()];
    },
  };
}

function rootOf(op: ExecOp, inputs: readonly (LayerStack | 'local')[]): LayerStack {
  const root = op.root === 'scratch' ? [] : inputs[op.root];
  if (root === undefined || root === 'local') throw new Error('internal: a RUN needs a layer stack as its root');
  return root;
}

interface RunOptions {
  readonly request: MountRequest;
  readonly context: OpContext;
  readonly mounts: PreparedMounts;
  readonly root: LayerStack;
  readonly layer: ActiveLayer;
  readonly writable: { readonly lowerDirs: readonly string[]; readonly upperDir: string; readonly workDir: string };
}

async function run({ request, context, mounts, root, layer, writable }: RunOptions): Promise<void> {
  const { op, services } = request;
  const executor = await services.executor();
  const output = captureOutput(context);
  const trust = trustMounts(await services.trust(), op.env);
  const limit = stepTimeout(services.stepTimeoutMs, op.args);
  const signal = limit === undefined ? context.signal : AbortSignal.any([context.signal, limit]);
  const devices = op.devices.map(({ name }) => name);
  const process = processOf(op, { devices, env: [...op.unkeyed.proxyEnv, ...mounts.env, ...trust.env] });
  const all = [...mounts.container, ...trust.container];
  try {
    await executor.run(process, writable, all, output.io, { ...context, signal });
  } catch (error) {
    const isLate = limit?.aborted === true && !context.signal.aborted;
    const explained = withFullDisk(output.explain(isLate ? limit.reason : error), layer.upperDir);
    const keptProcess = processOf(op, { devices, env: [] });
    const failed = { request, root, layer, process, keptProcess, mounts: all, context };
    throw services.failures === undefined
      ? explained
      : await (await import('./exec/failed-run.ts')).afterFailedRun(explained, failed, services.failures);
  }
}

/** Aborts when the time is over, with the error to report. It keeps no process alive. */
function stepTimeout(milliseconds: number | undefined, args: readonly string[]): AbortSignal | undefined {
  if (milliseconds === undefined) return undefined;
  const controller = new AbortController();
  const end = () =>
    controller.abort(
      new SlipwayError('SLIPWAY_RUN_TIMEOUT', `"${args.join(' ')}" did not end within ${milliseconds / 1000} s`, {
        exitCode: TIMEOUT_STATUS,
        hint: 'give it longer with --timeout, or see what it waits for',
      }),
    );
  setTimeout(end, milliseconds).unref();
  return controller.signal;
}

/** `env`: variables that do not come from the Dockerfile. */
function processOf(op: ExecOp, { env, devices }: Pick<ProcessSpec, 'env' | 'devices'>): ProcessSpec {
  const { proxyEnv: _proxyEnv, ...limits } = op.unkeyed;
  return {
    id: randomBytes(12).toString('hex'),
    args: op.args,
    env: environment([...op.env, ...env]),
    cwd: op.cwd,
    user: op.user,
    hostname: op.hostname ?? HOSTNAME,
    network: op.network,
    security: op.security,
    ...limits,
    devices,
  };
}

function environment(env: readonly string[]): readonly string[] {
  return env.some((variable) => variable.startsWith('PATH=')) ? env : [...env, DEFAULT_PATH];
}
