import { once } from 'node:events';
import { closeSync, existsSync, writeSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { Worker } from 'node:worker_threads';
import { containerSyscalls } from '../container-syscalls.ts';
import type { MadeNodes } from './made-nodes.ts';
import type { SupervisorData, SupervisorReply, SupervisorRequest } from './supervisor-messages.ts';

/** A thread that answers calls of steps. It ends with the process, or when it is disposed of. */
export interface SupervisorThread extends Disposable {
  /** Whether the kernel lets it: where a container around slipway is itself told of calls, it does not. */
  canSupervise(): Promise<boolean>;
  tell(request: SupervisorRequest): void;
  /** Tells that the step has ended; resolves to the nodes that it made. */
  end(step: string): Promise<MadeNodes>;
}

/** Starts the thread, which takes some 30 ms while this one goes on. */
export function startSupervisorThread(): SupervisorThread {
  const pipe = containerSyscalls().pipe();
  const worker = newWorker({ wake: pipe.read });
  worker.unref();
  const ended = new Map<string, (made: MadeNodes) => void>();
  const started = Promise.withResolvers<boolean>();
  const failed = once(worker, 'error').then(([error]) => Promise.reject(error));
  // Who waits for an answer is told.
  failed.catch(() => {});
  worker.on('message', (reply: SupervisorReply) => {
    if (reply.type === 'started') started.resolve(reply.canSupervise);
    else ended.get(reply.step)?.(reply.made);
  });
  /** Only who waits for an answer keeps this process alive. */
  const answer = async <T>(awaited: Promise<T>): Promise<T> => {
    worker.ref();
    try {
      return await Promise.race([awaited, failed]);
    } finally {
      worker.unref();
    }
  };
  const tell = (request: SupervisorRequest) => {
    worker.postMessage(request);
    writeSync(pipe.write, '.');
  };
  // Node waits for its threads before it ends; whatever this one waits for, it sees the end of the pipe.
  const stop = () => closeSync(pipe.write);
  process.once('exit', stop);
  return {
    canSupervise: () => answer(started.promise),
    tell,
    end: async (step) => {
      const { promise, resolve } = Promise.withResolvers<MadeNodes>();
      ended.set(step, resolve);
      tell({ type: 'end', step });
      try {
        return await answer(promise);
      } finally {
        ended.delete(step);
      }
    },
    [Symbol.dispose]: () => {
      process.off('exit', stop);
      stop();
    },
  };
}

/** The thread's code lies beside this module's source; or in the bundle, whose modules lie beside it or one folder deeper. */
function newWorker(workerData: SupervisorData): Worker {
  const place = (path: string) => fileURLToPath(new URL(path, import.meta.url));
  const execArgv = ['--disable-warning=ExperimentalWarning'];
  if (import.meta.url.endsWith('.ts')) return new Worker(place('supervisor.ts'), { workerData, execArgv });
  const bundled = place('node-supervisor.cjs');
  return new Worker(existsSync(bundled) ? bundled : place('../node-supervisor.cjs'), { workerData });
}
