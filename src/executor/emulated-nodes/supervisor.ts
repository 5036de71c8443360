/**
 * The thread that answers the calls of steps that the kernel asks about (seccomp_unotify(2)): Node cannot wait for such descriptors. It
 * waits for all steps at once, and answers one call after the other. Whatever ends it closes its descriptors: calls that wait
 * for it then fail with ENOSYS, and no step hangs.
 */
import { closeSync, openSync, readSync } from 'node:fs';
import { parentPort, receiveMessageOnPort, workerData } from 'node:worker_threads';
import { SupervisedStep } from './supervised-step.ts';
import type { SupervisorData, SupervisorReply, SupervisorRequest } from './supervisor-messages.ts';
import { loadSupervisorSyscalls } from './supervisor-syscalls.ts';

const port = parentPort;
if (port === null) throw new Error('internal: the supervisor is no program');
const { wake } = workerData as SupervisorData;
const tell = (reply: SupervisorReply) => port.postMessage(reply);

const steps = new Map<string, SupervisedStep>();
try {
  const calls = loadSupervisorSyscalls();
  tell({ type: 'started', canSupervise: calls.prepareThread() });
  const ownRoot = openSync('/', 'r');
  const bytes = Buffer.alloc(64);
  let isStopped = false;

  const obey = (request: SupervisorRequest) => {
    switch (request.type) {
      case 'watch':
        steps.set(request.step, new SupervisedStep(calls, { ...request, ownRoot }));
        return;
      case 'end':
        tell({ type: 'ended', step: request.step, made: steps.get(request.step)?.made ?? new Map() });
        steps.get(request.step)?.[Symbol.dispose]();
        steps.delete(request.step);
        return;
      default: {
        const unknown: never = request;
        throw new Error(`internal: request ${JSON.stringify(unknown)}`);
      }
    }
  };
  while (!isStopped) {
    const waited = [...steps.values()].filter((step) => step.descriptor !== undefined);
    const [woken = 0, ...events] = calls.poll([wake, ...waited.map((step) => step.descriptor ?? -1)], 'when-any-has');
    for (const [index, step] of waited.entries()) step.take(events[index] ?? 0);
    if (woken === 0) continue;
    isStopped = readSync(wake, bytes) === 0;
    for (let next = receiveMessageOnPort(port); next !== undefined; next = receiveMessageOnPort(port))
      obey(next.message as SupervisorRequest);
  }
} finally {
  for (const step of steps.values()) step[Symbol.dispose]();
  closeSync(wake);
}
