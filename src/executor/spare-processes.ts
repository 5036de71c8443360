import type { ProcessIO } from '../core/executor.ts';
import type { ContainerEnd, WaitingProcess } from './waiting-process.ts';

export interface SpareOptions {
  readonly start: () => WaitingProcess;
  /** How many are kept waiting at most. */
  readonly limit: number;
}

/** Processes that wait for a container to make: their start-up passes while earlier steps run. Disposing ends those that still wait. */
export class SpareProcesses implements Disposable {
  readonly #start: () => WaitingProcess;
  readonly #limit: number;
  readonly #spares: WaitingProcess[] = [];
  #runs = 0;

  constructor({ start, limit }: SpareOptions) {
    this.#start = start;
    this.#limit = limit;
  }

  /** Says that one will be needed soon. */
  prepare(): void {
    if (this.#spares.length === 0) this.#spares.push(this.#start());
  }

  /** Has one of them do the task, see `WaitingProcess`; a new one then takes its place. */
  run(task: string, io: ProcessIO, signal: AbortSignal): Promise<ContainerEnd> {
    const running = (this.#spares.shift() ?? this.#start()).run(task, io, signal);
    this.#refill();
    return running;
  }

  [Symbol.dispose](): void {
    for (const spare of this.#spares.splice(0)) spare[Symbol.dispose]();
  }

  /** A first RUN is often the only one; where more come one after the other, a start takes longer than most of them. */
  #refill(): void {
    this.#runs += 1;
    while (this.#spares.length < Math.min(this.#runs, this.#limit)) this.#spares.push(this.#start());
  }
}
