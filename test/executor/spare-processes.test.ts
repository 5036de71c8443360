import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { SpareProcesses } from '../../src/executor/spare-processes.ts';
import type { ContainerEnd, WaitingProcess } from '../../src/executor/waiting-process.ts';

const LIMITS = { first: 1, later: 3 };
const IO = { stdout: () => {}, stderr: () => {} };

/** Processes that do nothing, and what has become of them. */
function processes() {
  const ends: (() => void)[] = [];
  const state = { waiting: 0, started: 0 };
  const start = (): WaitingProcess => {
    state.started += 1;
    state.waiting += 1;
    return {
      run: () => {
        state.waiting -= 1;
        return new Promise<ContainerEnd>((resolve) => ends.push(() => resolve({ status: 0, report: '' })));
      },
      [Symbol.dispose]: () => {
        state.waiting -= 1;
      },
    };
  };
  return { state, start, endAll: () => ends.splice(0).forEach((end) => void end()) };
}

describe('processes that wait for a container', () => {
  beforeEach(() => void vi.useFakeTimers());
  afterEach(() => void vi.useRealTimers());

  const run = (spares: SpareProcesses) => {
    spares.prepare();
    return spares.run('', IO, new AbortController().signal);
  };

  it('are as many as are going to be needed', () => {
    const { state, start } = processes();
    using spares = new SpareProcesses({ start, limits: LIMITS });
    spares.prepare();
    spares.prepare();
    expect(state.waiting).toBe(2);
  });

  it('are as many as run, when those have run for a while, up to a limit', async () => {
    const { state, start, endAll } = processes();
    using spares = new SpareProcesses({ start, limits: LIMITS });
    const running = [1, 2].map(() => run(spares));
    expect(state.waiting).toBe(1);
    vi.advanceTimersByTime(1000);
    expect(state.waiting).toBe(2);
    const more = [1, 2, 3, 4].map(() => run(spares));
    vi.advanceTimersByTime(1000);
    expect(state.waiting).toBe(3);
    endAll();
    await Promise.all([...running, ...more]);
  });

  it('are one for a chain of short ones', async () => {
    const { state, start, endAll } = processes();
    using spares = new SpareProcesses({ start, limits: LIMITS });
    for (let step = 0; step < 20; step++) {
      const running = run(spares);
      expect(state.waiting).toBe(1);
      vi.advanceTimersByTime(10);
      endAll();
      await running;
    }
    expect(state.started).toBe(21);
  });

  it('end with what keeps them, and no more are started', () => {
    const { state, start } = processes();
    {
      using spares = new SpareProcesses({ start, limits: LIMITS });
      void run(spares);
      void run(spares);
    }
    expect(state.waiting).toBe(0);
    vi.advanceTimersByTime(1000);
    expect(state.waiting).toBe(0);
  });

  it('that cannot be started now are started, or fail, when they are needed', async () => {
    const { start, endAll } = processes();
    let isFull = true;
    using spares = new SpareProcesses({
      start: () => {
        if (isFull) throw Object.assign(new Error('EAGAIN: posix_spawn'), { code: 'EAGAIN' });
        return start();
      },
      limits: LIMITS,
    });
    spares.prepare();
    await expect(spares.run('', IO, new AbortController().signal)).rejects.toThrow('EAGAIN');
    isFull = false;
    const running = run(spares);
    endAll();
    expect(await running).toEqual({ status: 0, report: '' });
  });
});
