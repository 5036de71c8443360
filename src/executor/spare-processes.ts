import { errnoOf } from '../core/errors.ts';
import type { ProcessIO } from '../core/executor.ts';
import type { ContainerEnd, WaitingProcess } from './waiting-process.ts';

export interface SpareOptions {
  readonly start: () => WaitingProcess;
  /** How many are kept waiting at once, and how many while as many containers run. */
  readonly limits: { readonly first: number; readonly later: number };
}

/** When containers have been running for that long, most of what they wait for is not a processor. */
const SETTLED_MS = 50;

/**
 * Processes that wait for a container to make: their start-up passes while earlier steps run. A container that runs for a while is likely to be
 * followed by another of its stage, so there are as many as run then. Disposing ends those that still wait.
 */
export class SpareProcesses implements Disposable {
  readonly #start: () => WaitingProcess;
  readonly #limits: SpareOptions['limits'];
  readonly #spares: WaitingProcess[] = [];
  #expected = 0;
  #begun = 0;
  #running = 0;
  #settling: NodeJS.Timeout | undefined;

  constructor({ start, limits }: SpareOptions) {
    this.#start = start;
    this.#limits = limits;
  }

  /** Says that one will be needed soon; `run` is to follow. */
  prepare(): void {
    this.#expected += 1;
    this.#fill(Math.min(this.#expected, this.#limits.later));
  }

  /** Has one of them do the task, see `WaitingProcess`; a new one then takes its place. */
  async run(task: string, io: ProcessIO, signal: AbortSignal): Promise<ContainerEnd> {
    const running = (this.#spares.shift() ?? this.#start()).run(task, io, signal);
    this.#expected = Math.max(0, this.#expected - 1);
    this.#begun += 1;
    this.#running += 1;
    // A first RUN is often the only one; where more come one after the other, a start takes longer than most of them.
    this.#fill(Math.min(this.#begun, this.#limits.first));
    clearTimeout(this.#settling);
    this.#settling = setTimeout(() => this.#fill(Math.min(this.#running, this.#limits.later)), SETTLED_MS).unref();
    try {
      return await running;
    } finally {
      this.#running -= 1;
    }
  }

  [Symbol.dispose](): void {
    clearTimeout(this.#settling);
    for (const spare of this.#spares.splice(0)) spare[Symbol.dispose]();
  }

  #fill(count: number): void {
    try {
      while (this.#spares.length < count) this.#spares.push(this.#start());
    } catch (error) {
      // Too many processes or descriptors: who needs one tries again, and fails for it.
      if (!['EAGAIN', 'EMFILE', 'ENFILE', 'ENOMEM'].includes(errnoOf(error) ?? '')) throw error;
    }
  }
}
