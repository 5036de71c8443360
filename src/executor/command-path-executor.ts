import type {
  ContainerMount,
  Executor,
  ExecutorContext,
  ProcessIO,
  ProcessSpec,
  WritableRoot,
} from '../core/executor.ts';

/**
 * Has steps whose command is a relative path, `./build.sh` or `bin/tool`, run by another executor: crun starts the first by its absolute path,
 * which a script sees as its `$0`, and does not find the second. `other` is made with the first such step; both are disposed with this.
 */
export class CommandPathExecutor implements Executor, Disposable {
  readonly name: string;
  readonly #usual: TerminalExecutor;
  readonly #makeOther: () => TerminalExecutor;
  #other: TerminalExecutor | undefined;

  constructor(usual: TerminalExecutor, other: () => TerminalExecutor) {
    this.name = usual.name;
    this.#usual = usual;
    this.#makeOther = other;
  }

  run(
    spec: ProcessSpec,
    root: WritableRoot,
    mounts: readonly ContainerMount[],
    io: ProcessIO,
    context: ExecutorContext,
  ): Promise<void> {
    return this.#executorOf(spec).run(spec, root, mounts, io, context);
  }

  runInTerminal(
    spec: ProcessSpec,
    root: WritableRoot,
    mounts: readonly ContainerMount[],
    context: ExecutorContext,
  ): Promise<void> {
    return this.#executorOf(spec).runInTerminal(spec, root, mounts, context);
  }

  #executorOf({ args: [command = ''] }: ProcessSpec): TerminalExecutor {
    if (command.startsWith('/') || !command.includes('/')) return this.#usual;
    this.#other ??= this.#makeOther();
    return this.#other;
  }

  [Symbol.dispose](): void {
    this.#usual[Symbol.dispose]();
    this.#other?.[Symbol.dispose]();
  }
}

type TerminalExecutor = Executor & Required<Pick<Executor, 'runInTerminal'>> & Disposable;
