import type { LayerId, LayerStack } from '../../cache/layers/layer-store.ts';
import type { CacheKey, CacheRecord, RecordStore } from '../../cache/records/record-store.ts';
import { type SolveOptions, solve } from '../../solver/solve.ts';
import type { Op, OpResolver } from '../../solver/solver.ts';
import { type OpDefinition, type Vertex, type VertexOptions, vertex } from '../../solver/vertex.ts';
import { digestOfJson, hexOf } from '../../src/core/digest.ts';
import type { ProgressEvent } from '../../src/core/progress.ts';

/**
 * A vertex whose result is computed from the results of its inputs by `behaviour`, found by name. The name stands for the
 * definition: another name is another op.
 */
export function fake(name: string, inputs: readonly Vertex[] = [], options: Partial<VertexOptions> = {}): Vertex {
  return vertex({ kind: 'git', url: name, keepGitDir: false, submodules: false }, inputs, { name, ...options });
}

/** A build context. */
export function context(name: string): Vertex {
  return vertex({ kind: 'local', name }, [], { name: `context ${name}` });
}

export interface Behaviour {
  /** By index of input: what the op reads of it, from its content; otherwise by definition. */
  readonly reads?: Readonly<Record<number, (content: string) => string>>;
  readonly result?: (inputs: readonly string[]) => string;
  readonly run?: (signal: AbortSignal) => Promise<void>;
  readonly uncached?: boolean;
}

/** Contents by layer id: what a fake stack holds. */
export class FakeWorld {
  readonly behaviours = new Map<string, Behaviour>();
  readonly contexts = new Map<string, string>();
  readonly contents = new Map<LayerId, string>();
  readonly gone = new Set<LayerId>();
  readonly runs: string[] = [];
  readonly events: ProgressEvent[] = [];
  readonly records = new FakeRecords();
  running = 0;
  mostRunning = 0;

  define(name: string, behaviour: Behaviour): this {
    this.behaviours.set(name, behaviour);
    return this;
  }

  readonly resolve: OpResolver = (of) => (of.op.kind === 'local' ? this.#localOp() : this.#fakeOp(of));

  /** Solves one root and gives the content of its result; what ran since stands in `runs`. */
  async solve(root: Vertex, options: Partial<SolveOptions> = {}): Promise<string> {
    this.runs.length = 0;
    this.events.length = 0;
    const [stack] = await solve([root], {
      resolve: this.resolve,
      records: this.records,
      isDurable: (layers) => layers.every((layer) => this.contents.has(layer) && !this.gone.has(layer)),
      concurrency: 4,
      progress: { emit: (event) => this.events.push(event) },
      signal: new AbortController().signal,
      ...options,
    });
    return this.contentOf(stack ?? []);
  }

  contentOf(stack: LayerStack): string {
    return this.contents.get(stack[0] as LayerId) ?? 'missing';
  }

  /** `name: outcome` of every finished step, in order. */
  outcomes(): string[] {
    const names = new Map<string, string>();
    const outcomes: string[] = [];
    for (const event of this.events) {
      if (event.type === 'step-planned') names.set(event.step.id, event.step.name);
      if (event.type === 'step-finished') outcomes.push(`${names.get(event.id)}: ${event.outcome}`);
    }
    return outcomes;
  }

  #localOp(): Op {
    return {
      cacheMap: async () => ({ digest: undefined, inputs: [], parts: [] }),
      exec: async () => 'local',
    };
  }

  #fakeOp(of: Vertex): Op {
    const name = nameOf(of.op);
    const behaviour = this.behaviours.get(name) ?? {};
    const contentOf = (index: number, stack: LayerStack | 'local') =>
      stack === 'local' ? (this.contexts.get(contextName(of, index)) ?? '') : this.contentOf(stack);
    return {
      cacheMap: async () => ({
        digest: behaviour.uncached ? undefined : digestOfJson(name),
        inputs: of.inputs.map((_input, index) => {
          const read = behaviour.reads?.[index];
          if (read === undefined) return { by: 'definition' };
          return {
            by: 'content',
            digest: async (stack) => ({ digest: digestOfJson(read(contentOf(index, stack))), parts: [] }),
          };
        }),
        parts: [],
      }),
      exec: async (inputs, { signal }) => {
        this.runs.push(name);
        this.mostRunning = Math.max(this.mostRunning, ++this.running);
        try {
          await behaviour.run?.(signal);
        } finally {
          this.running--;
        }
        // As a COPY does, an op sees of an input that it reads by content only what it reads.
        const contents = inputs.map((input, index) => {
          const content = contentOf(index, input);
          return behaviour.reads?.[index]?.(content) ?? content;
        });
        const content = (behaviour.result ?? ((all) => `${name}(${all.join(',')})`))(contents);
        const layer = hexOf(digestOfJson([name, content, this.contents.size])) as LayerId;
        this.contents.set(layer, content);
        return [layer];
      },
    };
  }
}

export class FakeRecords implements RecordStore {
  readonly byKey = new Map<CacheKey, CacheRecord>();
  lookups = 0;

  lookup(key: CacheKey): CacheRecord | undefined {
    this.lookups++;
    return this.byKey.get(key);
  }

  save(keys: readonly CacheKey[], record: CacheRecord): void {
    for (const key of keys) this.byKey.set(key, record);
  }
}

function nameOf(op: OpDefinition): string {
  if (op.kind !== 'git') throw new Error(`not a fake op: ${op.kind}`);
  return op.url;
}

function contextName(of: Vertex, index: number): string {
  const op = of.inputs[index]?.op;
  return op?.kind === 'local' ? op.name : '';
}
