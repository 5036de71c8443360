import { randomBytes } from 'node:crypto';
import { COMMAND_DEPTH } from './container-process.ts';
import { type OciRuntime, requireProgram } from './oci-runtime.ts';
import type { SealedProgram } from './sealed-program.ts';
import { startWaiting, type WaitingDescriptor, type WaitingProcess } from './waiting-process.ts';

export interface WaitingRuntimeOptions {
  readonly runtime: OciRuntime;
  /** The same, to be started from memory. */
  readonly program: SealedProgram;
  /** A folder in memory, for the runtime's state. Mounts that are made below it later reach the runtime. */
  readonly memory: string;
}

/** A run of an OCI runtime that is started ahead, as far as reading the config.json, which is its task. Its report is the runtime's log. */
export function startRuntime({ runtime, program: { descriptor }, memory }: WaitingRuntimeOptions): WaitingProcess {
  // Its own /proc, see `container-process.ts`.
  const namespaces = ['--pid', '--fork', '--kill-child=KILL', '--mount-proc', '--propagation', 'slave', '--'];
  const descriptors: WaitingDescriptor[] = ['stdin', 'stdout', 'stderr', 'task', 'report'];
  const place = (name: WaitingDescriptor) => `/proc/self/fd/${descriptors.indexOf(name)}`;
  if (descriptor !== undefined) descriptors.push(descriptor);
  const path = descriptor === undefined ? runtime.path : place(descriptor);
  const options = ['--root', `${memory}/state`, '--log', place('report'), '--log-format', 'json', ...runtime.options];
  const id = randomBytes(12).toString('hex');
  const run = ['run', '--bundle', memory, '--config', place('task'), id];
  return startWaiting({
    args: [requireProgram('unshare'), ...namespaces, path, ...options, ...run],
    descriptors,
    commandDepth: COMMAND_DEPTH,
  });
}
