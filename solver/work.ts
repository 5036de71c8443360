import type PQueue from 'p-queue';
import type { SlipwayError } from '../src/core/errors.ts';
import type { Step } from './step.ts';
import type { Vertex } from './vertex.ts';
import { vertexFailure } from './vertex-failure.ts';

/**
 * All that ops do in one solve: how much at the same time, when it ends, and what its first error was. After a failure, or when
 * the caller's signal is aborted, nothing new begins, and what runs is told to stop.
 */
export class Work {
  readonly signal: AbortSignal;
  readonly #caller: AbortSignal;
  readonly #stop = new AbortController();
  readonly #concurrency: number;
  #slots: Promise<PQueue> | undefined;
  readonly #running = new Set<Promise<unknown>>();
  #failure: SlipwayError | undefined;

  constructor(concurrency: number, caller: AbortSignal) {
    this.#caller = caller;
    this.signal = AbortSignal.any([caller, this.#stop.signal]);
    this.#concurrency = concurrency;
  }

  /** The first error that was no consequence of stopping. */
  get failure(): SlipwayError | undefined {
    return this.#failure;
  }

  /** Does something on behalf of a vertex; its failure is the vertex's failure and ends the solve. */
  async perform<T>(vertex: Vertex, step: Step, task: () => Promise<T>): Promise<T> {
    this.signal.throwIfAborted();
    const running = (async () => task())();
    this.#running.add(running);
    try {
      return await running;
    } catch (error) {
      throw this.#fail(vertex, step, error);
    } finally {
      this.#running.delete(running);
    }
  }

  /** Like `perform`, in one of the slots. Nobody may wait for anything else while having one. */
  async performInSlot<T>(vertex: Vertex, step: Step, task: () => Promise<T>): Promise<T> {
    this.#slots ??= openSlots(this.#concurrency);
    const slots = await this.#slots;
    return slots.add(() => {
      this.signal.throwIfAborted();
      step.start();
      return this.perform(vertex, step, task);
    });
  }

  /** Stops what still runs and waits until it has ended. */
  async end(): Promise<void> {
    this.#stop.abort();
    while (this.#running.size > 0) await Promise.allSettled(this.#running);
    await (await this.#slots)?.onIdle();
  }

  #fail(vertex: Vertex, step: Step, error: unknown): unknown {
    if (this.#failure !== undefined || this.signal.aborted) {
      step.finish('cancelled');
      return this.#failure ?? this.#caller.reason ?? error;
    }
    this.#failure = vertexFailure(vertex, error);
    step.finish('failed', this.#failure);
    this.#stop.abort(this.#failure);
    return this.#failure;
  }
}

/** Loaded when something runs: a build that is all hits starts sooner without. */
async function openSlots(concurrency: number): Promise<PQueue> {
  const { default: Queue } = await import('p-queue');
  return new Queue({ concurrency });
}
