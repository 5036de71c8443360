import { setImmediate, setTimeout } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import type { LayerId } from '../../cache/layers/layer-store.ts';
import type { Vertex } from '../../solver/vertex.ts';
import { digestOf } from '../../src/core/digest.ts';
import { context, FakeWorld, fake } from './fake-ops.ts';

/** A generator of numbers in [0, 1) that a seed repeats (mulberry32). */
function random(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296;
  };
}

/** One vertex to be: what may change between builds are the variant of its name and whether the variant shows in its result. */
interface Plan {
  readonly name: string;
  variant: number;
  readonly isVariantVisible: boolean;
  readonly inputs: readonly number[];
  /** Inputs that are read by content, each as one of a few values, so that different contents are often read as equal. */
  readonly reads: ReadonlySet<number>;
  readonly readsContext: boolean;
  ignoreCache: boolean;
}

const CONTEXT = 'src';
const VALUES = 3;

class RandomBuilds {
  readonly world = new FakeWorld();
  readonly #next: () => number;
  readonly #plans: Plan[] = [];

  constructor(seed: number) {
    this.#next = random(seed);
    const count = 3 + this.#below(12);
    for (let index = 0; index < count; index++) this.#plans.push(this.#plan(index));
    this.world.contexts.set(CONTEXT, 'context 0');
  }

  /** Changes something, or nothing. */
  change(): void {
    const plan = this.#plans[this.#below(this.#plans.length)];
    for (const each of this.#plans) each.ignoreCache = false;
    if (plan === undefined) return;
    const kind = this.#below(5);
    if (kind === 0) plan.variant = this.#below(3);
    if (kind === 1) this.world.contexts.set(CONTEXT, `context ${this.#below(6)}`);
    if (kind === 2) plan.ignoreCache = true;
    if (kind === 3)
      for (const layer of this.world.contents.keys()) if (this.#next() < 0.2) this.world.gone.add(layer as LayerId);
  }

  /** The graph as it is now; vertices that are used twice are sometimes two equal objects. */
  graph(): Vertex {
    const built = new Map<number, Vertex>();
    const vertexOf = (index: number): Vertex => {
      const known = built.get(index);
      if (known !== undefined && this.#next() < 0.7) return known;
      const plan = this.#plans[index];
      if (plan === undefined) throw new Error('no such plan');
      const inputs = plan.inputs.map(vertexOf);
      if (plan.readsContext) inputs.push(context(CONTEXT));
      const made = fake(this.#define(plan), inputs, { ignoreCache: plan.ignoreCache });
      built.set(index, made);
      return made;
    };
    return vertexOf(this.#plans.length - 1);
  }

  /** What the graph's root is, computed without any cache. */
  expected(): string {
    const results = this.#plans.map(() => '');
    this.#plans.forEach((plan, index) => {
      const inputs = plan.inputs.map((input, position) => {
        const content = results[input] ?? '';
        return plan.reads.has(position) ? coarse(content) : content;
      });
      if (plan.readsContext) inputs.push(coarse(this.world.contexts.get(CONTEXT) ?? ''));
      results[index] = resultOf(plan, inputs);
    });
    return results.at(-1) ?? '';
  }

  #define(plan: Plan): string {
    const name = `${plan.name} ${plan.variant}`;
    const read = [...plan.reads, ...(plan.readsContext ? [plan.inputs.length] : [])];
    const { isVariantVisible, variant } = plan;
    this.world.define(name, {
      reads: Object.fromEntries(read.map((index) => [index, coarse])),
      result: (inputs) => resultOf({ name: plan.name, isVariantVisible, variant }, inputs),
      run: () => (this.#next() < 0.5 ? setImmediate() : setTimeout(this.#below(4))),
    });
    return name;
  }

  #plan(index: number): Plan {
    const inputs = Array.from({ length: Math.min(index, this.#below(4)) }, () => this.#below(index));
    // All but the last are used by somebody, so that the root needs most of them.
    if (index > 0 && !inputs.includes(index - 1) && this.#next() < 0.8) inputs.push(index - 1);
    return {
      name: `op${index}`,
      variant: 0,
      isVariantVisible: this.#next() < 0.5,
      inputs,
      reads: new Set(inputs.map((_input, position) => position).filter(() => this.#next() < 0.4)),
      readsContext: this.#next() < 0.3,
      ignoreCache: false,
    };
  }

  #below(limit: number): number {
    return Math.floor(this.#next() * limit);
  }
}

function coarse(content: string): string {
  return String(Number.parseInt(digestOf(content).slice(-6), 16) % VALUES);
}

function resultOf(plan: Pick<Plan, 'name' | 'isVariantVisible' | 'variant'>, inputs: readonly string[]): string {
  return digestOf([plan.name, plan.isVariantVisible ? plan.variant : '', ...inputs].join('\n'));
}

describe('solving random graphs through many changes', () => {
  it.each(Array.from({ length: 60 }, (_, seed) => seed))(
    'gives what an evaluator without a cache gives (seed %i)',
    async (seed) => {
      const builds = new RandomBuilds(seed);
      const concurrency = 1 + (seed % 4);
      for (let build = 0; build < 12; build++) {
        const result = await builds.world.solve(builds.graph(), { concurrency });
        expect(result).toBe(builds.expected());
        expect(new Set(builds.world.runs).size).toBe(builds.world.runs.length);
        expect(builds.world.mostRunning).toBeLessThanOrEqual(concurrency);
        builds.change();
      }
    },
  );

  it.each([1, 2, 3, 4])('runs nothing when nothing changed (seed %i)', async (seed) => {
    const builds = new RandomBuilds(seed * 1000);
    await builds.world.solve(builds.graph());
    await builds.world.solve(builds.graph());
    expect(builds.world.runs).toEqual([]);
  });

  it('leaves no step unfinished', async () => {
    for (let seed = 100; seed < 120; seed++) {
      const builds = new RandomBuilds(seed);
      for (let build = 0; build < 5; build++) {
        await builds.world.solve(builds.graph());
        const { events } = builds.world;
        const planned = events.filter((event) => event.type === 'step-planned').map((event) => event.step.id);
        const finished = events.filter((event) => event.type === 'step-finished').map((event) => event.id);
        expect(finished.toSorted()).toEqual(planned.toSorted());
        builds.change();
      }
    }
  });
});
