import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { SlipwayError } from '../../src/core/errors.ts';
import { PlainRenderer } from '../../src/progress/plain-renderer.ts';
import { eventStream } from './event-stream.ts';

let text: string;
let renderer: PlainRenderer;
let events: ReturnType<typeof eventStream>;

beforeEach(() => {
  vi.useFakeTimers();
  text = '';
  renderer = new PlainRenderer({ write: (more) => (text += more) });
  events = eventStream((event) => renderer.emit(event));
});
afterEach(() => vi.useRealTimers());

describe('plain progress', () => {
  it("has docker's look", () => {
    events.begin();
    events.plan('[1/3] FROM busybox', '[2/3] WORKDIR /app', '[3/3] RUN make');
    events.start('[1/3] FROM busybox', 0);
    events.transfer('[1/3] FROM busybox', 10, 500, 2_000_000);
    events.transfer('[1/3] FROM busybox', 20, 1000, 2_000_000);
    events.transfer('[1/3] FROM busybox', 30, 2_000_000, 2_000_000);
    events.finish('[1/3] FROM busybox', 120);
    events.finish('[2/3] WORKDIR /app', 120, 'cached');
    events.start('[3/3] RUN make', 130);
    events.output('[3/3] RUN make', 253, 'cc main.c\nld ma');
    events.output('[3/3] RUN make', 1_353, 'in\n');
    events.finish('[3/3] RUN make', 1_430, 'failed', new SlipwayError('SLIPWAY_RUN_FAILED', 'exit code: 2'));
    events.end(1_500, 'failed');
    renderer.close();
    expect(text).toBe(
      `#1 [1/3] FROM busybox
#1 layer 500B / 2.00MB
#1 layer 2.00MB / 2.00MB done
#1 DONE 0.1s

#2 [2/3] WORKDIR /app
#2 CACHED

#3 [3/3] RUN make
#3 0.123 cc main.c
#3 1.223 ld main
#3 ERROR: exit code: 2
`,
    );
  });

  it('does not mix the lines of steps that run at the same time', () => {
    events.plan('a', 'b');
    events.start('a', 0);
    events.start('b', 0);
    events.output('a', 100, 'a1\n');
    events.output('b', 200, 'b1\n');
    events.output('a', 300, 'a2\n');
    events.finish('a', 400);
    events.finish('b', 500);
    expect(text).toBe('#1 a\n#1 0.100 a1\n#1 0.300 a2\n#1 DONE 0.4s\n\n#2 b\n#2 0.200 b1\n#2 DONE 0.5s\n');
  });

  it('turns to another step when one is silent for a second', () => {
    events.plan('a', 'b');
    events.start('a', 0);
    events.start('b', 0);
    events.output('b', 200, 'b1\n');
    expect(text).not.toContain('b1');
    vi.advanceTimersByTime(1000);
    expect(text).toBe('#1 a\n#1 ...\n\n#2 b\n#2 0.200 b1\n');
    events.finish('a', 5000);
    vi.advanceTimersByTime(1000);
    events.finish('b', 7000);
    expect(text.split('\n').slice(5)).toEqual(['#2 ...', '', '#1 a', '#1 DONE 5.0s', '', '#2 b', '#2 DONE 7.0s', '']);
  });

  it('turns at once to a step that says very much, so that little is held back', () => {
    events.plan('a', 'b');
    events.start('a', 0);
    events.start('b', 0);
    events.output('b', 1, 'x'.repeat(100).concat('\n').repeat(1000));
    expect(text.match(/#2 0\.001 x/g)).toHaveLength(1000);
  });

  it('shows a last line that has no end, of both streams', () => {
    events.plan('a');
    events.start('a', 0);
    events.output('a', 10, 'out');
    events.output('a', 10, 'err', 'stderr');
    events.finish('a', 20);
    expect(text).toBe('#1 a\n#1 0.020 out\n#1 0.020 err\n#1 DONE 0.0s\n');
  });

  it('shows what a running step wrote when the build is cut off', () => {
    events.plan('a');
    events.start('a', 0);
    events.output('a', 10, 'half');
    renderer.close();
    expect(text).toMatch(/^#1 a\n#1 [\d.]+ half\n$/);
  });

  it('joins characters that were cut apart', () => {
    const bytes = Buffer.from('grüße\n');
    events.plan('a');
    events.start('a', 0);
    for (const byte of bytes) events.output('a', 0, Uint8Array.of(byte));
    expect(text).toBe('#1 a\n#1 0.000 grüße\n');
  });

  it('takes terminal escapes out, and keeps the last state of a progress bar', () => {
    events.plan('a \u001b[31mred https://u:p@h/');
    const id = 'a \u001b[31mred https://u:p@h/';
    events.start(id, 0);
    events.output(id, 0, '\u001b[2J\u001b]0;title\u0007ok\u0000\n10%\r50%\r100%\r\n\ttab\n');
    expect(text).toBe('#1 a red https://***@h/\n#1 0.000 ok\ufffd\n#1 0.000 100%\n#1 0.000 \ttab\n');
  });

  it('cuts endless lines', () => {
    events.plan('a');
    events.start('a', 0);
    for (let piece = 0; piece < 50; piece++) events.output('a', 0, 'y'.repeat(1000));
    events.output('a', 0, '\n');
    const lines = text.split('\n').filter((line) => line.includes('y'));
    expect(lines.map((line) => line.length)).toEqual([16_393, 16_393, 16_393, 857]);
  });

  it('does not gather a progress bar without an end', () => {
    events.plan('a');
    events.start('a', 0);
    for (let piece = 0; piece < 5000; piece++) events.output('a', 0, `\r${piece} of 5000`);
    events.finish('a', 0);
    expect(text).toBe('#1 a\n#1 0.000 4999 of 5000\n#1 DONE 0.0s\n');
  });

  it('says nothing of a step that never started because another failed', () => {
    events.plan('a');
    events.finish('a', 0, 'cancelled');
    expect(text).toBe('');
  });

  it('sets warnings and notices apart from the steps', () => {
    events.warn("Stage name 'A' should be lowercase");
    events.warn("Stage name 'B' should be lowercase");
    events.plan('a');
    events.start('a', 0);
    events.notice('steps share the network of this machine');
    events.finish('a', 0);
    expect(text).toBe(
      ` ! StageNameCasing: Stage name 'A' should be lowercase (Dockerfile:3)
 ! StageNameCasing: Stage name 'B' should be lowercase (Dockerfile:3)

#1 a
#1 ...

 * steps share the network of this machine

#1 a
#1 DONE 0.0s
`,
    );
  });
});
