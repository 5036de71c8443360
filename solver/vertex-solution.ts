import type { LayerStack } from '../cache/layers/layer-store.ts';
import type { CacheKey, CacheRecord, KeyPart, RecordStore } from '../cache/records/record-store.ts';
import { withoutCredentials } from '../src/core/fetch-url.ts';
import { cacheKeyOf, type KeyIngredient } from './cache-key.ts';
import type { GraphNode } from './graph.ts';
import type { CacheMap, InputKey, Op, OpContext, OpResolver } from './solver.ts';
import type { Step } from './step.ts';
import type { Vertex } from './vertex.ts';
import { vertexFailure } from './vertex-failure.ts';
import type { Work } from './work.ts';

/** The result of a vertex, and the most precise key that it is known under; none for what cannot be cached. */
export interface Solved {
  readonly result: LayerStack | 'local';
  readonly preciseKey: CacheKey | undefined;
}

/** What all vertices of a solve share. */
export interface SolveServices {
  readonly resolve: OpResolver;
  readonly records: RecordStore;
  readonly isDurable: (stack: LayerStack) => boolean;
  readonly work: Work;
  readonly onSolved?: (vertex: Vertex, stack: LayerStack) => void;
}

/**
 * Finds one vertex's result, in the cheapest way there is. Everything is computed at most once, and only if somebody asks.
 *
 * A vertex has two keys. The *cheap* key follows from definitions and from the files of build contexts: nothing has to be
 * solved for it. The *precise* key has, for inputs that the op reads by content, the digest of that content in place of the input's key,
 * and for all others their precise key, so that precision travels downstream. An equal precise key under another cheap key is what
 * makes a RUN a hit although the stage that its files came from was built anew.
 */
export class VertexSolution {
  readonly #node: GraphNode;
  readonly #inputs: readonly VertexSolution[];
  readonly #services: SolveServices;
  readonly #step: Step;
  readonly #op: Op;
  readonly #context: OpContext;
  /** Whether the cache is to be ignored here or above: then a cheap key says nothing of what the inputs have become. */
  readonly #mayBeStale: boolean;
  readonly #consumers = new Set<VertexSolution>();

  #cacheMap: Promise<CacheMap> | undefined;
  #cheapKey: Promise<CacheKey | undefined> | undefined;
  #expectedKey: Promise<CacheKey | undefined> | undefined;
  #anticipation: Promise<void> | undefined;
  #solved: Promise<Solved> | undefined;
  readonly #contents = new Map<number, ReturnType<ContentKey['digest']>>();

  constructor(node: GraphNode, inputs: readonly VertexSolution[], step: Step, services: SolveServices) {
    this.#node = node;
    this.#inputs = inputs;
    this.#services = services;
    this.#step = step;
    this.#op = resolveOp(node.vertex, services.resolve);
    this.#context = { signal: services.work.signal, progress: step.sink, stepId: step.id };
    this.#mayBeStale = node.ignoreCache || inputs.some((input) => input.#mayBeStale);
    for (const input of inputs) input.#consumers.add(this);
    if (!this.#isLocal) step.plan();
  }

  /** The vertex's result: from a record, or by running the op. */
  solve(): Promise<Solved> {
    this.#solved ??= this.#isLocal ? this.#load() : this.#findAndTell();
    return this.#solved;
  }

  get #isLocal(): boolean {
    return this.#node.vertex.op.kind === 'local';
  }

  /** A build context is no result that is kept; opening it takes no slot, since keys wait for it. */
  async #load(): Promise<Solved> {
    this.#step.start();
    const result = await this.#perform(() => this.#op.exec([], this.#context));
    this.#finish('done');
    return { result, preciseKey: undefined };
  }

  async #findAndTell(): Promise<Solved> {
    const solved = await this.#find();
    if (solved.result !== 'local') this.#services.onSolved?.(this.#node.vertex, solved.result);
    return solved;
  }

  async #find(): Promise<Solved> {
    if (await this.#isRenewed()) return this.#run();
    const byCheapKey = this.#mayBeStale ? undefined : await this.#cheapRecord();
    if (byCheapKey !== undefined && this.#services.isDurable(byCheapKey.stack)) return this.#hit(byCheapKey);
    for (const input of this.#inputs) input.#anticipate();
    const key = await this.#expected();
    const byPreciseKey = this.#lookup(key);
    if (byPreciseKey === undefined || !this.#services.isDurable(byPreciseKey.stack)) return this.#run();
    if (key !== (await this.#cheap())) await this.#save(byPreciseKey);
    return this.#hit(byPreciseKey);
  }

  /**
   * Whether the result must be made again: because it is asked for, or because it is to stand on one that is. The key of such an input is
   * the one that it always had, so a record would be found, with what the input was before. What is read by content is found by it.
   */
  async #isRenewed(): Promise<boolean> {
    if (this.#node.ignoreCache || !this.#mayBeStale) return this.#node.ignoreCache;
    const map = await this.#map();
    for (const [index, input] of this.#inputs.entries())
      if (readOf(map, index).by === 'definition' && (await input.#isRenewed())) return true;
    return false;
  }

  #hit(record: CacheRecord): Solved {
    this.#finish('cached');
    return { result: record.stack, preciseKey: record.preciseKey };
  }

  async #run(): Promise<Solved> {
    const inputs = await Promise.all(this.#inputs.map((input) => input.solve()));
    const preciseKey = await this.#keyOf((input, read, index) =>
      read.by === 'content'
        ? this.#content(index, read)
        : input.solve().then((solved) => definition(solved.preciseKey)),
    );
    const { vertex } = this.#node;
    const result = await this.#services.work.performInSlot(vertex, this.#step, async () => {
      const made = await this.#op.exec(
        inputs.map((input) => input.result),
        this.#context,
      );
      // Within the work that is waited for, so that a result is saved even if something else fails meanwhile.
      if (preciseKey !== undefined && made !== 'local')
        await this.#save({ stack: made, preciseKey, createdAt: Date.now() });
      return made;
    });
    this.#finish('done');
    return { result, preciseKey };
  }

  /**
   * Begins what will have to run in all likelihood, so that a stage need not wait while another is solved for a key: a vertex that has
   * no record under any key. One whose record is merely gone is left alone; those that use it may have theirs.
   */
  #anticipate(): void {
    this.#anticipation ??= this.#isLocal ? Promise.resolve() : this.#solveUnlessRecorded();
    // Whatever fails here has been reported as the vertex's failure.
    this.#anticipation.catch(() => {});
  }

  async #solveUnlessRecorded(): Promise<void> {
    if (!this.#mayBeStale && (await this.#cheapRecord()) !== undefined) return;
    for (const input of this.#inputs) input.#anticipate();
    if (!(await this.#isRenewed()) && this.#lookup(await this.#expected()) !== undefined) return;
    await this.solve();
  }

  /** The key that follows from definitions and build contexts; undefined if the op, or one that it stands on, cannot be cached. */
  #cheap(): Promise<CacheKey | undefined> {
    this.#cheapKey ??= this.#keyOf((input, read, index) =>
      read.by === 'content' && input.#isLocal ? this.#content(index, read) : input.#cheap().then(definition),
    );
    return this.#cheapKey;
  }

  /**
   * The precise key that a result would have, for looking it up. A record that has the cheap key knows it, whether or not its
   * layers are still there; otherwise the inputs that are read by content are solved.
   */
  #expected(): Promise<CacheKey | undefined> {
    this.#expectedKey ??= this.#expect();
    return this.#expectedKey;
  }

  async #expect(): Promise<CacheKey | undefined> {
    if (await this.#isRenewed()) return (await this.solve()).preciseKey;
    const record = this.#mayBeStale ? undefined : await this.#cheapRecord();
    if (record !== undefined) return record.preciseKey;
    return this.#keyOf((input, read, index) =>
      read.by === 'content' ? this.#content(index, read) : input.#expected().then(definition),
    );
  }

  async #cheapRecord(): Promise<CacheRecord | undefined> {
    return this.#lookup(await this.#cheap());
  }

  #lookup(key: CacheKey | undefined): CacheRecord | undefined {
    return key === undefined ? undefined : this.#services.records.lookup(key);
  }

  /** Combines the op with each input as `ingredient` gives it; undefined where one of them is. */
  async #keyOf(
    ingredient: (input: VertexSolution, read: InputKey, index: number) => Promise<KeyIngredient | undefined>,
  ): Promise<CacheKey | undefined> {
    const map = await this.#map();
    if (map.digest === undefined) return undefined;
    const ingredients = await Promise.all(
      this.#inputs.map((input, index) => ingredient(input, readOf(map, index), index)),
    );
    const known = ingredients.filter((one) => one !== undefined);
    return known.length === ingredients.length ? cacheKeyOf(map.digest, known) : undefined;
  }

  /** What the op reads of an input, which is solved for it. */
  async #content(index: number, read: ContentKey): Promise<KeyIngredient> {
    return { by: 'content', digest: (await this.#contentDigest(index, read)).digest };
  }

  #contentDigest(index: number, read: ContentKey): ReturnType<ContentKey['digest']> {
    const known = this.#contents.get(index);
    if (known !== undefined) return known;
    const digest = this.#digestInput(index, read);
    this.#contents.set(index, digest);
    return digest;
  }

  async #digestInput(index: number, read: ContentKey): ReturnType<ContentKey['digest']> {
    const input = this.#inputs[index];
    if (input === undefined) throw new Error(`internal: ${this.#node.vertex.options.name} has no input ${index}`);
    const { result } = await input.solve();
    return this.#perform(() => read.digest(result, this.#context));
  }

  #map(): Promise<CacheMap> {
    this.#cacheMap ??= this.#perform(() => this.#op.cacheMap(this.#context));
    return this.#cacheMap;
  }

  async #save(record: CacheRecord): Promise<void> {
    const cheapKey = await this.#cheap();
    const keys = cheapKey === undefined ? [record.preciseKey] : [...new Set([cheapKey, record.preciseKey])];
    const description = withoutCredentials(this.#node.vertex.options.name);
    this.#services.records.save(keys, record, description, await this.#parts());
  }

  async #parts(): Promise<readonly KeyPart[]> {
    const { parts } = await this.#map();
    const contents = await Promise.all(this.#contents.values());
    // One for every file: too many to be arguments.
    return parts.concat(contents.flatMap((content) => content.parts));
  }

  #perform<T>(task: () => Promise<T>): Promise<T> {
    return this.#services.work.perform(this.#node.vertex, this.#step, task);
  }

  /** Tells progress, and before it of what can be needed by nobody any more: it was used from the cache with this. */
  #finish(outcome: 'done' | 'cached'): void {
    const settled: VertexSolution[] = [];
    this.#release(settled);
    settled.sort((a, b) => a.#node.position - b.#node.position);
    for (const unneeded of settled) unneeded.#step.finish('cached');
    this.#step.finish(outcome);
  }

  /** Stops being a consumer of the inputs, and collects those that nobody asked for and nobody will. */
  #release(settled: VertexSolution[]): void {
    for (const input of new Set(this.#inputs)) {
      input.#consumers.delete(this);
      if (input.#consumers.size > 0 || input.#solved !== undefined || input.#isLocal) continue;
      settled.push(input);
      input.#release(settled);
    }
  }
}

function resolveOp(vertex: Vertex, resolve: OpResolver): Op {
  try {
    return resolve(vertex);
  } catch (error) {
    throw vertexFailure(vertex, error);
  }
}

type ContentKey = Extract<InputKey, { by: 'content' }>;

function definition(key: CacheKey | undefined): KeyIngredient | undefined {
  return key === undefined ? undefined : { by: 'definition', key };
}

function readOf(map: CacheMap, index: number): InputKey {
  const read = map.inputs[index];
  if (read === undefined) throw new Error(`internal: the cache map has no key for input ${index}`);
  return read;
}
