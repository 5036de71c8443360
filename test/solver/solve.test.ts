import { setTimeout } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { type SolveOptions, solve } from '../../solver/solve.ts';
import { SlipwayError } from '../../src/core/errors.ts';
import { context, FakeWorld, fake } from './fake-ops.ts';

/** The file that a COPY reads out of a context or a stage: `a=1 b=2` has a file `a` with content `1`. */
function file(name: string): (content: string) => string {
  return (content) => new RegExp(`\\b${name}=(\\S+)`).exec(content)?.[1] ?? 'absent';
}

describe('solve', () => {
  it('runs every vertex once and gives the result of the root', async () => {
    const world = new FakeWorld();
    const base = fake('base');
    const root = fake('join', [fake('left', [base]), fake('right', [base])]);
    expect(await world.solve(root)).toBe('join(left(base()),right(base()))');
    expect(world.runs.toSorted()).toEqual(['base', 'join', 'left', 'right']);
  });

  it('merges equal vertices that are different objects', async () => {
    const world = new FakeWorld();
    await world.solve(fake('join', [fake('left', [fake('base')]), fake('right', [fake('base')])]));
    expect(world.runs.filter((name) => name === 'base')).toHaveLength(1);
  });

  it('solves several roots together, and shares what they share', async () => {
    const world = new FakeWorld();
    const base = fake('base');
    const stacks = await solve([fake('a', [base]), fake('b', [base])], {
      resolve: world.resolve,
      records: world.records,
      isDurable: () => true,
      concurrency: 2,
      progress: { emit: () => {} },
      signal: new AbortController().signal,
    });
    expect(stacks.map((stack) => world.contentOf(stack))).toEqual(['a(base())', 'b(base())']);
    expect(world.runs.toSorted()).toEqual(['a', 'b', 'base']);
  });

  it('tells of each result as soon as there is one, and of nothing that was not needed', async () => {
    const world = new FakeWorld();
    const graph = () => fake('run', [fake('copy', [fake('base')])]);
    for (const expected of [['base', 'copy', 'run'], ['run']]) {
      const told: string[] = [];
      const onSolved: SolveOptions['onSolved'] = (vertex, stack) =>
        told.push(`${vertex.options.name}: ${world.contentOf(stack)}`);
      await world.solve(graph(), { onSolved });
      expect(told.map((line) => line.split(':')[0])).toEqual(expected);
      expect(told.at(-1)).toBe('run: run(copy(base()))');
    }
  });

  it('runs nothing when nothing changed, with one lookup of a record', async () => {
    const world = new FakeWorld();
    const graph = () => fake('run', [fake('copy', [fake('base')])]);
    await world.solve(graph());
    world.records.lookups = 0;
    expect(await world.solve(graph())).toBe('run(copy(base()))');
    expect(world.runs).toEqual([]);
    expect(world.records.lookups).toBe(1);
  });

  it('runs what stands on a changed vertex, and nothing else', async () => {
    const world = new FakeWorld();
    await world.solve(fake('run', [fake('copy', [fake('base')])]));
    await world.solve(fake('run', [fake('copy 2', [fake('base')])]));
    expect(world.runs).toEqual(['copy 2', 'run']);
  });

  it('hits a RUN after a COPY whose files did not change although the context did, and never loads the COPY', async () => {
    const world = new FakeWorld().define('copy', { reads: { 1: file('a') } });
    const graph = () => fake('run', [fake('copy', [fake('base'), context('src')])]);
    world.contexts.set('src', 'a=1 b=1');
    await world.solve(graph());
    world.contexts.set('src', 'a=1 b=2');
    await world.solve(graph());
    expect(world.runs).toEqual([]);
    world.contexts.set('src', 'a=2 b=2');
    await world.solve(graph());
    expect(world.runs).toEqual(['copy', 'run']);
  });

  it('hits a RUN after a COPY --from whose stage was built anew with equal files, and never runs the COPY', async () => {
    const world = new FakeWorld()
      .define('copy', { reads: { 1: file('out') } })
      .define('compile', { result: () => 'out=binary log=1' })
      .define('compile -v', { result: () => 'out=binary log=2' });
    const graph = (compile: string) => fake('run', [fake('copy', [fake('base'), fake(compile)])]);
    const first = await world.solve(graph('compile'));
    expect(await world.solve(graph('compile -v'))).toBe(first);
    expect(world.runs).toEqual(['compile -v']);
    world.records.lookups = 0;
    await world.solve(graph('compile -v'));
    expect(world.runs).toEqual([]);
    expect(world.records.lookups).toBe(1);
  });

  it('passes precision on through several stages', async () => {
    const world = new FakeWorld()
      .define('copy', { reads: { 1: file('out') } })
      .define('compile', { result: () => 'out=binary log=1' })
      .define('compile -v', { result: () => 'out=binary log=2' });
    const graph = (compile: string) => {
      const middle = fake('test', [fake('install', [fake('copy', [fake('base'), fake(compile)])])]);
      return fake('final', [fake('clean', [middle])]);
    };
    await world.solve(graph('compile'));
    await world.solve(graph('compile -v'));
    expect(world.runs).toEqual(['compile -v']);
  });

  it('does not solve a stage for the key of a later vertex if the COPY from it is recorded', async () => {
    const world = new FakeWorld().define('copy', { reads: { 1: file('out') } });
    const copied = () => fake('copy', [fake('base'), fake('compile')]);
    await world.solve(fake('run', [copied()]));
    const compiled = [...world.contents].find(([, content]) => content === 'compile()')?.[0];
    if (compiled !== undefined) world.gone.add(compiled);
    await world.solve(fake('other run', [copied()]));
    expect(world.runs).toEqual(['other run']);
  });

  it('takes a record whose layers are gone for a miss', async () => {
    const world = new FakeWorld();
    const graph = () => fake('run', [fake('base')]);
    await world.solve(graph());
    const ran = [...world.contents].find(([, content]) => content === 'run(base())')?.[0];
    if (ran !== undefined) world.gone.add(ran);
    await world.solve(graph());
    expect(world.runs).toEqual(['run']);
  });

  it('runs a vertex that ignores the cache and those that stand on it, and saves their results', async () => {
    const world = new FakeWorld();
    const graph = (options = {}) => fake('later', [fake('fetch', [fake('base')], options)]);
    await world.solve(graph());
    await world.solve(graph({ ignoreCache: true }));
    expect(world.runs).toEqual(['fetch', 'later']);
    await world.solve(graph());
    expect(world.runs).toEqual([]);
  });

  it('reads anew what is copied from a vertex that ignores the cache', async () => {
    let fetched = 'out=1';
    const world = new FakeWorld()
      .define('copy', { reads: { 1: file('out') } })
      .define('fetch', { result: () => fetched });
    const graph = (options = {}) => fake('copy', [fake('base'), fake('fetch', [], options)]);
    await world.solve(graph());
    fetched = 'out=2';
    expect(await world.solve(graph({ ignoreCache: true }))).toBe('copy(base(),2)');
    expect(await world.solve(graph())).toBe('copy(base(),2)');
    expect(world.runs).toEqual([]);
  });

  it('runs an op without a digest, and what stands on it, every time', async () => {
    const world = new FakeWorld().define('volatile', { uncached: true }).define('copy', { reads: { 0: (all) => all } });
    const graph = () => fake('join', [fake('run', [fake('volatile')]), fake('copy', [fake('volatile')])]);
    await world.solve(graph());
    await world.solve(graph());
    expect(world.runs.toSorted()).toEqual(['join', 'run', 'volatile']);
  });

  it('lets a stage run while another is solved for the key of what joins them', async () => {
    let meanwhile = false;
    const world = new FakeWorld()
      .define('copy', { reads: { 1: file('out') } })
      .define('install', {
        run: async () => {
          meanwhile = true;
        },
      })
      .define('compile', {
        run: async () => {
          for (let i = 0; i < 100 && !meanwhile; i++) await setTimeout(5);
          expect(meanwhile).toBe(true);
        },
      });
    await world.solve(fake('copy', [fake('install', [fake('base')]), fake('compile')]));
    expect(world.runs).toContain('compile');
  });
});

describe('the slots of a solve', () => {
  it('bound what runs at the same time', async () => {
    const world = new FakeWorld();
    const leaves = Array.from({ length: 12 }, (_, index) => `leaf ${index}`);
    for (const leaf of leaves) world.define(leaf, { run: () => setTimeout(5) });
    await world.solve(
      fake(
        'join',
        leaves.map((leaf) => fake(leaf)),
      ),
      { concurrency: 3 },
    );
    expect(world.mostRunning).toBe(3);
  });

  it('are not taken while waiting: a deep graph is solved with one', async () => {
    const world = new FakeWorld();
    let root = fake('base');
    for (let depth = 0; depth < 50; depth++) {
      world.define(`join ${depth}`, { result: () => 'joined' });
      root = fake(`join ${depth}`, [fake(`a ${depth}`, [root]), fake(`b ${depth}`, [root])]);
    }
    await world.solve(root, { concurrency: 1 });
    expect(world.mostRunning).toBe(1);
    expect(world.runs).toHaveLength(151);
  });
});

describe('a failure', () => {
  const source = { range: { file: 'Dockerfile', startLine: 7, endLine: 7 }, text: '' };

  it('is reported once, with the place of its vertex, after everything that ran has ended', async () => {
    let cleanedUp = false;
    const world = new FakeWorld()
      .define('bad', {
        run: async () => {
          await setTimeout(5);
          throw new SlipwayError('SLIPWAY_RUN_FAILED', 'it exited with code 1', { exitCode: 1 });
        },
      })
      .define('slow', {
        run: async (signal) => {
          await new Promise((resolve) => signal.addEventListener('abort', resolve));
          await setTimeout(20);
          cleanedUp = true;
          throw new Error('killed');
        },
      });
    const graph = fake('join', [fake('after', [fake('bad', [], { source })]), fake('slow')]);
    const failure = await world.solve(graph).catch((error: unknown) => error);
    expect(cleanedUp).toBe(true);
    expect(failure).toBeInstanceOf(SlipwayError);
    expect(failure).toMatchObject({ code: 'SLIPWAY_RUN_FAILED', exitCode: 1, source });
    expect(world.runs.toSorted()).toEqual(['bad', 'slow']);
    expect(world.outcomes()).toEqual(['bad: failed', 'slow: cancelled']);
  });

  it('names the step where the error says nothing of it', async () => {
    const world = new FakeWorld().define('bad', { run: () => Promise.reject(new Error('ENOSPC: no space left')) });
    await expect(world.solve(fake('bad'))).rejects.toMatchObject({
      code: 'SLIPWAY_STEP_FAILED',
      message: 'bad: ENOSPC: no space left',
    });
  });

  it('of an op that is refused before anything begins has its place too', async () => {
    const world = new FakeWorld();
    const refuse = () => {
      throw new SlipwayError('SLIPWAY_ENTITLEMENT_MISSING', 'no');
    };
    await expect(world.solve(fake('bad', [], { source }), { resolve: refuse })).rejects.toMatchObject({ source });
  });

  it('begins nothing that waits for a slot', async () => {
    const world = new FakeWorld().define('bad', { run: () => Promise.reject(new Error('no')) });
    const others = Array.from({ length: 5 }, (_, index) => fake(`other ${index}`));
    await expect(world.solve(fake('join', [fake('bad'), ...others]), { concurrency: 1 })).rejects.toThrow('no');
    expect(world.runs).toEqual(['bad']);
  });

  it('keeps the results of what was done before', async () => {
    const world = new FakeWorld().define('bad', { run: () => Promise.reject(new Error('no')) });
    await expect(world.solve(fake('bad', [fake('good')]))).rejects.toThrow();
    await expect(world.solve(fake('bad', [fake('good')]))).rejects.toThrow();
    expect(world.runs).toEqual(['bad']);
  });
});

describe('the caller’s signal', () => {
  it('ends what runs, and its reason is thrown after that', async () => {
    const caller = new AbortController();
    let ended = false;
    const world = new FakeWorld().define('slow', {
      run: async (signal) => {
        caller.abort(new Error('interrupted by the user'));
        expect(signal.aborted).toBe(true);
        await setTimeout(10);
        ended = true;
        throw new Error('killed');
      },
    });
    await expect(world.solve(fake('slow'), { signal: caller.signal })).rejects.toThrow('interrupted by the user');
    expect(ended).toBe(true);
    expect(world.outcomes()).toEqual(['slow: cancelled']);
  });

  it('begins nothing where it was aborted before', async () => {
    const world = new FakeWorld();
    await expect(world.solve(fake('a'), { signal: AbortSignal.abort(new Error('no')) })).rejects.toThrow('no');
    expect(world.runs).toEqual([]);
  });
});

describe('progress', () => {
  it('plans all vertices in graph order, a context only when it is read', async () => {
    const world = new FakeWorld().define('copy', { reads: { 1: file('a') } });
    await world.solve(fake('run', [fake('copy', [fake('base'), context('src')])]));
    const planned = world.events.filter((event) => event.type === 'step-planned').map((event) => event.step.name);
    expect(planned).toEqual(['base', 'copy', 'run', 'context src']);
    expect(world.outcomes()).toEqual(['context src: done', 'base: done', 'copy: done', 'run: done']);
  });

  it('shows what a hit made unnecessary as cached, before the hit itself', async () => {
    const world = new FakeWorld();
    await world.solve(fake('run', [fake('copy', [fake('base')])]));
    await world.solve(fake('new', [fake('run', [fake('copy', [fake('base')])])]));
    expect(world.outcomes()).toEqual(['base: cached', 'copy: cached', 'run: cached', 'new: done']);
  });

  it('shows what several made unnecessary in the order of the graph', async () => {
    const graph = () => {
      const base = fake('base');
      return fake('join', [fake('b', [fake('a', [base])]), fake('c', [base])]);
    };
    const world = new FakeWorld();
    await world.solve(graph());
    await world.solve(graph());
    expect(world.outcomes()).toEqual(['base: cached', 'a: cached', 'b: cached', 'c: cached', 'join: cached']);
  });

  it('starts a step before it finishes, and never says anything of it afterwards', async () => {
    const world = new FakeWorld();
    await world.solve(fake('run', [fake('base')]));
    const finished = new Set<string>();
    for (const event of world.events) {
      if (event.type === 'step-started') expect(finished.has(event.id)).toBe(false);
      if (event.type === 'step-finished') finished.add(event.id);
    }
    expect(finished.size).toBe(2);
  });
});
