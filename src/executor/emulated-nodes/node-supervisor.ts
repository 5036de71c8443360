import { readFileSync } from 'node:fs';
import { containerSyscalls } from '../container-syscalls.ts';
import type { MadeNodes } from './made-nodes.ts';
import { knowsArchitecture } from './notified-calls.ts';
import type { EmulatedNodes } from './notifying-profile.ts';
import { StepListener } from './step-listener.ts';
import { loadSupervisorSyscalls, type SupervisorSyscalls } from './supervisor-syscalls.ts';
import { type SupervisorThread, startSupervisorThread } from './supervisor-thread.ts';

/** What a step is watched by. */
export interface WatchOptions {
  readonly step: string;
  readonly nodes: EmulatedNodes;
  /** A folder for its socket that the step does not see. */
  readonly folder: string;
  /** Number of the filesystem that the step's layer is made from. */
  readonly device: number;
}

/** A step that has not made a call yet that is for slipway to answer. */
interface QuietStep {
  readonly listener: StepListener;
  readonly device: number;
}

/** Node cannot wait for a listener: it looks so often whether the first call is there. */
const LOOK_MS = 20;
const NO_NODES: MadeNodes = new Map();

/**
 * Makes device nodes, or rather what stands for them, for steps that the kernel lets make none: in a user namespace. One thread does it for all
 * steps, from the first call on: most builds make no such nodes, and need no thread. Disposing ends it.
 */
export class NodeSupervisor implements Disposable {
  readonly #quiet = new Map<string, QuietStep>();
  #calls: SupervisorSyscalls | undefined;
  #thread: SupervisorThread | undefined;
  #timer: NodeJS.Timeout | undefined;

  /** Whether that is possible here. */
  async isPossible(): Promise<boolean> {
    if (!knowsArchitecture()) return false;
    return isUnfiltered() || (await this.#startThread().canSupervise());
  }

  /**
   * The path for `linux.seccomp.listenerPath` of the OCI runtime specification. Nothing is missed from this call on. Every step that is watched
   * has to be ended.
   */
  watch({ step, nodes, folder, device }: WatchOptions): string {
    const path = `${folder}/calls`;
    this.#calls ??= loadSupervisorSyscalls();
    const stage = { type: 'socket', descriptor: containerSyscalls().listen(path) } as const;
    // One that asks for every file makes calls from its beginning.
    if (nodes === 'shown') this.#startThread();
    if (this.#thread !== undefined) this.#thread.tell({ type: 'watch', step, stage, device });
    else this.#quiet.set(step, { listener: new StepListener(this.#calls, stage), device });
    if (this.#quiet.size > 0) this.#timer ??= setInterval(() => this.#look(), LOOK_MS).unref();
    return path;
  }

  /** When all processes of the step have ended: the nodes that it made. */
  async end(step: string): Promise<MadeNodes> {
    const quiet = this.#quiet.get(step);
    if (quiet === undefined) return (await this.#thread?.end(step)) ?? NO_NODES;
    quiet.listener[Symbol.dispose]();
    this.#quiet.delete(step);
    if (this.#quiet.size === 0) this.#stopLooking();
    return NO_NODES;
  }

  [Symbol.dispose](): void {
    this.#stopLooking();
    for (const { listener } of this.#quiet.values()) listener[Symbol.dispose]();
    this.#quiet.clear();
    this.#thread?.[Symbol.dispose]();
    this.#thread = undefined;
  }

  #look(): void {
    const waiting = [...this.#quiet.values()].flatMap(({ listener }) =>
      listener.descriptor === undefined ? [] : [{ listener, descriptor: listener.descriptor }],
    );
    const events =
      this.#calls?.poll(
        waiting.map(({ descriptor }) => descriptor),
        'at-once',
      ) ?? [];
    const hasCall = waiting.map(({ listener }, index) => listener.advance(events[index] ?? 0)).includes(true);
    if (hasCall) this.#startThread();
  }

  #startThread(): SupervisorThread {
    if (this.#thread !== undefined) return this.#thread;
    const thread = startSupervisorThread();
    this.#thread = thread;
    for (const [step, { listener, device }] of this.#quiet)
      thread.tell({ type: 'watch', step, stage: listener.handOver(), device });
    this.#quiet.clear();
    this.#stopLooking();
    return thread;
  }

  #stopLooking(): void {
    clearInterval(this.#timer);
    this.#timer = undefined;
  }
}

/** Without filters of a container around slipway nobody else can be told of calls; with some, only trying tells. */
function isUnfiltered(): boolean {
  return /^Seccomp_filters:\s*0$/m.test(readFileSync('/proc/self/status', 'latin1'));
}
