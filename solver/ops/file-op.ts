import type { ContentDigest } from '../../cache/content-selection.ts';
import type { LayerStack } from '../../cache/layers/layer-store.ts';
import { WorkingTree } from '../../cache/trees/working-tree.ts';
import { digestOfJson } from '../../src/core/digest.ts';
import type { FileEntry, FileTree } from '../../src/core/file-tree.ts';
import type { InputKey, Op, OpContext } from '../solver.ts';
import type { CopyAction, FileAction, FileOp, Owner, Vertex } from '../vertex.ts';
import { combineDigests, digestSources } from './file/digest-sources.ts';
import type { SourcePlace } from './file/missing-source.ts';
import type { OpServices } from './services.ts';

const EMPTY_FOLDER: FileEntry = { type: 'dir', mode: 0o755, uid: 0, gid: 0, size: 0, mtime: 0 };
const SCRATCH: FileTree = {
  lstat: (path) => (path === '/' ? EMPTY_FOLDER : undefined),
  readdir: () => [],
  contentPath: (path) => {
    throw new Error(`internal: scratch has no ${path}`);
  },
};

/**
 * COPY, ADD, WORKDIR: applies the actions of a `FileOp` in order and adds one layer of tree form to its root, whether or not they
 * change anything. No bytes are copied. `now` gives the mtime of what the build makes itself, in milliseconds since 1970.
 */
export function createFileOp(vertex: Vertex, services: OpServices, now: () => number = Date.now): Op {
  if (vertex.op.kind !== 'file') throw new Error(`internal: a ${vertex.op.kind} vertex is no file op`);
  const op = vertex.op;
  return {
    cacheMap: async () => ({
      digest: digestOfJson({ kind: op.kind, root: op.root, actions: op.actions.map(keyed) }),
      inputs: vertex.inputs.map((_input, index) => inputKey(vertex, op, index, services)),
      parts: op.actions.map((action, index) => ({ name: `action ${index + 1}`, value: describe(action) })),
    }),
    exec: async (inputs, context) => {
      const base = op.root === 'scratch' ? [] : stackOf(inputs[op.root]);
      const { applyAction } = await import('./file/apply-action.ts');
      using views = new Views(vertex, services, context.signal);
      const root = op.root === 'scratch' ? SCRATCH : (await views.open(op.root, base)).tree;
      const tree = new WorkingTree(root);
      const seconds = Math.floor(now() / 1000);
      for (const action of op.actions) {
        const source =
          action.action === 'copy' && action.input !== 'scratch'
            ? await views.open(action.input, inputs[action.input] ?? [])
            : { tree: SCRATCH, description: 'scratch' };
        await applyAction(action, { tree, root, source, now: seconds, services, context });
      }
      return [...base, services.layers.addTree(tree.layer)];
    },
  };
}

/** The inputs as trees, each opened once and held until all are disposed. */
class Views implements Disposable {
  readonly #vertex: Vertex;
  readonly #services: OpServices;
  readonly #signal: AbortSignal;
  readonly #open = new Map<number, SourcePlace>();
  readonly #held = new DisposableStack();

  constructor(vertex: Vertex, services: OpServices, signal: AbortSignal) {
    this.#vertex = vertex;
    this.#services = services;
    this.#signal = signal;
  }

  async open(index: number, input: LayerStack | 'local'): Promise<SourcePlace> {
    const known = this.#open.get(index);
    if (known !== undefined) return known;
    const place = await this.#read(index, input);
    this.#open.set(index, place);
    return place;
  }

  async #read(index: number, input: LayerStack | 'local'): Promise<SourcePlace> {
    const vertex = this.#vertex.inputs[index];
    if (vertex === undefined) throw new Error(`internal: file op without input ${index}`);
    if (input === 'local') {
      if (vertex.op.kind !== 'local') throw new Error(`internal: a ${vertex.op.kind} vertex gave no layers`);
      return this.#services.context(vertex.op.name);
    }
    const tree = this.#held.use(await this.#services.layers.view(input, this.#signal));
    return { tree, description: describeInput(vertex) };
  }

  [Symbol.dispose](): void {
    this.#held.dispose();
  }
}

/** The root, and what is read by no copy, by its own key; sources by the files that are selected of them. */
function inputKey(vertex: Vertex, op: FileOp, index: number, services: OpServices): InputKey {
  const copies = op.actions.filter(
    (action): action is CopyAction => action.action === 'copy' && action.input === index,
  );
  if (op.root === index || copies.length === 0) return { by: 'definition' };
  return {
    by: 'content',
    digest: async (input: LayerStack | 'local', context: OpContext) => {
      using views = new Views(vertex, services, context.signal);
      const place = await views.open(index, input);
      const found: ContentDigest[] = [];
      for (const action of copies) {
        found.push(await digestSources(place, action, services.digestContent, context.signal));
      }
      return combineDigests(found);
    },
  };
}

/** The action without what only messages use. */
function keyed(action: FileAction): unknown {
  if (action.action !== 'copy') return action;
  const { written: _written, ...rest } = action;
  return rest;
}

function describe(action: FileAction): string {
  switch (action.action) {
    case 'copy':
      return `copy ${action.source} ${action.destination}${ownerFlag(action.owner)}${chmodFlag(action)}`;
    case 'mkfile':
      return `mkfile ${action.destination}${ownerFlag(action.owner)}`;
    case 'mkdir':
      return `mkdir ${action.path}${ownerFlag(action.owner)}`;
    case 'rm':
      return `rm ${action.path}`;
    default: {
      const unknown: never = action;
      throw new Error(`internal: unknown file action ${JSON.stringify(unknown)}`);
    }
  }
}

function ownerFlag(owner: Owner | undefined): string {
  return owner === undefined ? '' : ` --chown=${owner.user ?? ''}:${owner.group ?? ''}`;
}

function chmodFlag({ chmod }: CopyAction): string {
  if (chmod === undefined) return '';
  return ` --chmod=${typeof chmod === 'number' ? chmod.toString(8) : chmod}`;
}

function describeInput({ op, options: { stage = '', name } }: Vertex): string {
  // The one stage of a Dockerfile has no name, and neither has an image that files are copied from.
  if (stage !== '') return `stage "${stage}"`;
  return op.kind === 'image' ? `image ${op.ref}` : `the result of ${name}`;
}

function stackOf(input: LayerStack | 'local' | undefined): LayerStack {
  if (input === undefined || input === 'local') throw new Error('internal: the root of a file op has no layers');
  return input;
}
