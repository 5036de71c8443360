import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { TtyRenderer } from '../../src/progress/tty-renderer.ts';
import { eventStream } from './event-stream.ts';
import { Screen } from './screen.ts';

const START = 1_000_000;
let screen: Screen;
let renderer: TtyRenderer;
let events: ReturnType<typeof eventStream>;

beforeEach(() => {
  vi.useFakeTimers({ now: START });
  screen = new Screen(40, 8);
  renderer = new TtyRenderer(screen, { colors: true });
  events = eventStream((event) => renderer.emit(event), START);
  events.begin();
});
afterEach(() => vi.useRealTimers());

describe('progress on a terminal', () => {
  it('shows running steps with their times and last lines, and finished ones above', () => {
    events.plan('[1/2] FROM x', '[2/2] RUN make');
    events.finish('[1/2] FROM x', 0, 'cached');
    events.start('[2/2] RUN make', 0);
    events.output('[2/2] RUN make', 10, 'one\ntwo\nthr');
    vi.advanceTimersByTime(1500);
    expect(screen.lines).toEqual([
      ' => CACHED [1/2] FROM x             0.0s',
      '[+] Building 1.5s (1/2)',
      ' => [2/2] RUN make                  1.5s',
      ' => => one',
      ' => => two',
    ]);
    events.finish('[2/2] RUN make', 2000);
    events.end(2000);
    vi.setSystemTime(START + 2000);
    renderer.close();
    expect(screen.lines).toEqual([
      ' => CACHED [1/2] FROM x             0.0s',
      ' => [2/2] RUN make                  2.0s',
      '[+] Building 2.0s (2/2) FINISHED',
    ]);
  });

  it('hides the cursor while it draws, and shows it again whatever happens', () => {
    events.plan('a');
    vi.advanceTimersByTime(100);
    expect(screen.isCursorVisible).toBe(false);
    renderer.close();
    renderer.close();
    expect(screen.isCursorVisible).toBe(true);
  });

  it('cuts lines to the width of the terminal, wide characters counted double', () => {
    events.plan('x'.repeat(100), '日'.repeat(100));
    events.start('x'.repeat(100), 0);
    events.start('日'.repeat(100), 0);
    vi.advanceTimersByTime(100);
    expect(screen.lines.slice(1)).toEqual([` => ${'x'.repeat(30)}… 0.1s`, ` => ${'日'.repeat(15)}… 0.1s`]);
  });

  it('never takes more rows than the terminal has', () => {
    const names = Array.from({ length: 20 }, (_, index) => `step ${index}`);
    events.plan(...names);
    for (const name of names) {
      events.start(name, 0);
      events.output(name, 0, 'a\nb\nc\n');
    }
    for (let frame = 0; frame < 10; frame++) vi.advanceTimersByTime(100);
    expect(screen.scrolled).toEqual([]);
    expect(screen.lines[0]).toMatch(/^\[\+\] Building 1\.0s/);
  });

  it('leaves nothing behind when the terminal gets narrower', () => {
    events.plan('a'.repeat(30));
    events.start('a'.repeat(30), 0);
    vi.advanceTimersByTime(100);
    screen.resize(20, 8);
    vi.advanceTimersByTime(100);
    expect(screen.lines).toEqual(['[+] Building 0.2s (…', ` => ${'a'.repeat(10)}… 0.2s`]);
  });

  it('draws at most ten frames a second', () => {
    events.plan('a');
    events.start('a', 0);
    for (let piece = 0; piece < 1000; piece++) events.output('a', 0, `${piece}\n`);
    vi.advanceTimersByTime(1000);
    expect(screen.writes).toBeLessThanOrEqual(11);
  });

  it('has no colors when they are not wanted', () => {
    const plain = new Screen(40, 8);
    const colorless = new TtyRenderer(plain, { colors: false });
    const stream = eventStream((event) => colorless.emit(event), START);
    stream.plan('a');
    stream.finish('a', 0, 'failed');
    colorless.close();
    expect(plain.hasColors).toBe(false);
    expect(plain.lines[0]).toContain('ERROR a');
  });
});
