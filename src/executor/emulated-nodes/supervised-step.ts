import { errnoOf } from '../../core/errors.ts';
import { Caller } from './caller.ts';
import type { MadeNode, MadeNodes } from './made-nodes.ts';
import { makeNode } from './make-node.ts';
import { type Answer, answerBytes, NOTIFICATION_BYTES, type Notification, readNotification } from './notification.ts';
import { notifiedCall } from './notified-calls.ts';
import { answerOpen, answerStat } from './shown-nodes.ts';
import { type ListenerStage, StepListener } from './step-listener.ts';
import type { SupervisorSyscalls } from './supervisor-syscalls.ts';

export interface SupervisedStepOptions {
  readonly stage: ListenerStage;
  /** Number of the filesystem that the step's layer is made from. */
  readonly device: number;
  /** The supervisor's root, open. */
  readonly ownRoot: number;
}

/** One step whose calls are answered. Disposing lets go of it. */
export class SupervisedStep implements Disposable {
  readonly #calls: SupervisorSyscalls;
  readonly #options: SupervisedStepOptions;
  readonly #listener: StepListener;
  readonly #made = new Map<bigint, MadeNode>();

  constructor(calls: SupervisorSyscalls, options: SupervisedStepOptions) {
    this.#calls = calls;
    this.#options = options;
    this.#listener = new StepListener(calls, options.stage);
  }

  /** The nodes that it has made so far. */
  get made(): MadeNodes {
    return this.#made;
  }

  /** See `StepListener`. */
  get descriptor(): number | undefined {
    return this.#listener.descriptor;
  }

  /** Does what there is to do when poll(2) said this of the descriptor. */
  take(events: number): void {
    const listener = this.#listener.descriptor;
    if (!this.#listener.advance(events) || listener === undefined) return;
    const bytes = Buffer.alloc(NOTIFICATION_BYTES);
    if (!this.#calls.receive(listener, bytes)) return;
    const notification = readNotification(bytes);
    try {
      this.#answer(listener, notification);
    } catch (error) {
      // What is read of a caller may not be there, or be forbidden to anybody: what the call is worth then says the kernel.
      if (errnoOf(error) === undefined) throw error;
      this.#send(listener, notification, 'by-kernel');
    }
  }

  [Symbol.dispose](): void {
    this.#listener[Symbol.dispose]();
  }

  #answer(listener: number, notification: Notification): void {
    const call = notifiedCall(notification);
    const isWaiting = () => this.#calls.isWaiting(listener, notification.id);
    const caller = new Caller(this.#calls, { pid: notification.pid, isWaiting, ownRoot: this.#options.ownRoot });
    switch (call?.type) {
      case undefined:
        this.#send(listener, notification, 'by-kernel');
        return;
      case 'make': {
        using result = makeNode(this.#calls, caller, call, this.#options.device);
        if (!this.#send(listener, notification, result.answer)) result.undo();
        else if (result.made !== undefined) this.#made.set(result.made.inode, result.made);
        return;
      }
      case 'show':
        this.#send(listener, notification, answerStat(this.#calls, caller, call));
        return;
      case 'open':
        this.#send(listener, notification, answerOpen(this.#calls, caller, call));
        return;
      default: {
        const unknown: never = call;
        throw new Error(`internal: call ${JSON.stringify(unknown)}`);
      }
    }
  }

  /** Whether the caller still waited for it. */
  #send(listener: number, { id }: Notification, answer: Answer): boolean {
    return this.#calls.send(listener, answerBytes(id, answer));
  }
}
