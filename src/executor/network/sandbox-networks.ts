import type { ProgressSink } from '../../core/progress.ts';
import type { PrivateMounts } from '../private-mounts.ts';
import { connectNamespace } from './connect-namespace.ts';
import { makeNetworkNamespace } from './network-namespace.ts';
import { findNetworkTool, type NetworkTool } from './network-tool.ts';

/** A network of one step's own, connected to the outside. */
export interface SandboxNetwork {
  /** A file that stands for the network namespace. */
  readonly namespace: string;
  /** Why it is connected no longer; undefined while it is. */
  problem(): Promise<string | undefined>;
  /** Gives it back. `reuse`: a later step may have it; not after one that could have changed it, and not one with a problem. */
  release(reuse: 'reuse' | 'discard'): void;
}

interface Sandbox extends Pick<SandboxNetwork, 'problem'> {
  readonly namespace: string;
  readonly resources: DisposableStack;
}

/**
 * The networks of steps that ask for nothing else: as many as there are steps at a time. One that a step is done with is given to the next,
 * because making one takes longer than a step: an ordinary step cannot change its network (it has no CAP_NET_ADMIN), and none of its
 * processes is left. Disposing ends them all.
 */
export class SandboxNetworks implements Disposable {
  readonly #mounts: PrivateMounts;
  readonly #env: Readonly<Record<string, string | undefined>>;
  readonly #idle: Sandbox[] = [];
  readonly #all = new DisposableStack();
  #count = 0;
  #unavailable: string | undefined;
  #tool: NetworkTool | undefined;

  /** PATH of `env` is where the programs are looked for. */
  constructor(mounts: PrivateMounts, env: Readonly<Record<string, string | undefined>>) {
    this.#mounts = mounts;
    this.#env = env;
  }

  /** A network; undefined where this machine gives none, which is said once: the step is then on the host's. */
  async take(progress: ProgressSink): Promise<SandboxNetwork | undefined> {
    if (this.#unavailable !== undefined) return undefined;
    try {
      const sandbox = (await this.#idleOne()) ?? (await this.#make());
      const { namespace, problem } = sandbox;
      return { namespace, problem, release: (reuse) => this.#release(sandbox, reuse) };
    } catch (error) {
      if (!(error instanceof Error) || error.message.startsWith('internal: ')) throw error;
      if (this.#unavailable === undefined)
        progress.emit({ type: 'notice', at: Date.now(), message: noticeOf(error.message) });
      this.#unavailable = error.message;
      return undefined;
    }
  }

  [Symbol.dispose](): void {
    this.#all[Symbol.dispose]();
    this.#idle.length = 0;
  }

  async #make(): Promise<Sandbox> {
    const tool = this.#findTool();
    using resources = new DisposableStack();
    const { path: folder } = resources.use(this.#mounts.folder(`network${this.#count++}`));
    const namespace = `${folder}/namespace`;
    await makeNetworkNamespace(namespace);
    const connection = resources.use(await connectNamespace(tool, { namespace, pidFile: `${folder}/pid` }));
    const kept = resources.move();
    this.#all.use(kept);
    return { namespace, problem: () => connection.problem(), resources: kept };
  }

  /** One that is still connected. */
  async #idleOne(): Promise<Sandbox | undefined> {
    const sandbox = this.#idle.pop();
    if (sandbox === undefined || (await sandbox.problem()) === undefined) return sandbox;
    this.#release(sandbox, 'discard');
    return this.#idleOne();
  }

  #findTool(): NetworkTool {
    if (this.#tool !== undefined) return this.#tool;
    const found = findNetworkTool(this.#env);
    if ('missing' in found) throw new Error(found.missing);
    this.#tool = found;
    return found;
  }

  #release(sandbox: Sandbox, reuse: 'reuse' | 'discard'): void {
    if (reuse === 'reuse') this.#idle.push(sandbox);
    else sandbox.resources[Symbol.dispose]();
  }
}

function noticeOf(problem: string): string {
  return `RUN steps are on the host's network, with its loopback services in reach: ${problem}`;
}
