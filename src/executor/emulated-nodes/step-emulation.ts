import { statSync } from 'node:fs';
import { toBytePath } from '../../core/byte-path.ts';
import type { ContainerMount, WritableRoot } from '../../core/executor.ts';
import { hasPlaceholders, markPlaceholders } from '../../core/layer-marks.ts';
import type { MadeNodes } from './made-nodes.ts';
import type { NodeSupervisor } from './node-supervisor.ts';
import type { EmulatedNodes } from './notifying-profile.ts';
import { settleNodes } from './settle-nodes.ts';

/** What a step's root and mounts are made of. */
export interface EmulatedStep {
  readonly step: string;
  readonly root: WritableRoot;
  readonly mounts: readonly ContainerMount[];
}

/** The device nodes of one step. Disposing, when its processes have ended, learns which it made; `settle` then gives them to its layer. */
export class StepEmulation implements AsyncDisposable {
  /** What the step's filter has to ask about. Most steps need not wait for anybody when they look at files. */
  readonly nodes: EmulatedNodes;
  readonly #supervisor: NodeSupervisor;
  readonly #step: string;
  #isWatched = false;
  #made: MadeNodes = new Map();

  constructor(supervisor: NodeSupervisor, { step, root, mounts }: EmulatedStep) {
    const stacks = mounts.flatMap((mount) => (mount.type === 'stack' ? mount.stack.lowerDirs : []));
    const folders = [...root.lowerDirs, ...stacks];
    this.nodes = folders.some((folder) => hasPlaceholders(toBytePath(folder))) ? 'shown' : 'made';
    this.#supervisor = supervisor;
    this.#step = step;
  }

  /** Answers the step's calls from now on, of which the seccomp listener is sent to the path. `folder` is one that the step does not see. */
  watch(folder: string, rootPath: string): string {
    this.#isWatched = true;
    return this.#supervisor.watch({ step: this.#step, nodes: this.nodes, folder, device: statSync(rootPath).dev });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#isWatched) this.#made = await this.#supervisor.end(this.#step);
  }

  /** Puts into the folder that the step's changes are in what stands for the nodes in a layer. The folder must not be mounted any more. */
  settle(upperDir: string): void {
    settleNodes(upperDir, this.#made);
    // The step may have moved or changed what is in the layers below, which is then copied into this one.
    if (this.nodes === 'shown') markPlaceholders(toBytePath(upperDir));
  }
}
