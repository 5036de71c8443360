import { closeSync } from 'node:fs';
import { POLL, type SupervisorSyscalls } from './supervisor-syscalls.ts';

/**
 * Where a step's listener is: whoever makes the container connects to a socket, and sends it through the connection. It is gone when all
 * processes are that it is for.
 */
export type ListenerStage =
  | { readonly type: 'socket' | 'connection' | 'listener'; readonly descriptor: number }
  | { readonly type: 'gone' };

/** What tells of a step's calls, from before there is a process of it. Disposing closes it: calls that wait then fail with ENOSYS. */
export class StepListener implements Disposable {
  readonly #calls: SupervisorSyscalls;
  #stage: ListenerStage;

  constructor(calls: SupervisorSyscalls, stage: ListenerStage) {
    this.#calls = calls;
    this.#stage = stage;
  }

  /** What to wait for; undefined when nothing more will come. */
  get descriptor(): number | undefined {
    return this.#stage.type === 'gone' ? undefined : this.#stage.descriptor;
  }

  /** Goes on when poll(2) said this of the descriptor. Returns whether there is a call to receive. */
  advance(events: number): boolean {
    const stage = this.#stage;
    if (stage.type === 'gone' || events === 0) return false;
    if ((events & POLL.in) === 0) {
      this[Symbol.dispose]();
      return false;
    }
    switch (stage.type) {
      case 'socket':
        this.#replace({ type: 'connection', descriptor: this.#calls.accept(stage.descriptor) });
        return false;
      case 'connection': {
        const descriptor = this.#calls.receiveDescriptor(stage.descriptor);
        if (descriptor !== undefined) this.#calls.takeTurns(descriptor);
        this.#replace(descriptor === undefined ? { type: 'gone' } : { type: 'listener', descriptor });
        return false;
      }
      case 'listener':
        return true;
      default: {
        const unknown: never = stage;
        throw new Error(`internal: listener ${JSON.stringify(unknown)}`);
      }
    }
  }

  /** Leaves the descriptor to another thread. */
  handOver(): ListenerStage {
    const stage = this.#stage;
    this.#stage = { type: 'gone' };
    return stage;
  }

  [Symbol.dispose](): void {
    this.#replace({ type: 'gone' });
  }

  #replace(stage: ListenerStage): void {
    if (this.#stage.type !== 'gone') closeSync(this.#stage.descriptor);
    this.#stage = stage;
  }
}
