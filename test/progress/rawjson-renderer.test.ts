import { expect, it } from 'vitest';
import { SlipwayError } from '../../src/core/errors.ts';
import { rawJsonRenderer } from '../../src/progress/rawjson-renderer.ts';
import { eventStream } from './event-stream.ts';

it('writes one line of JSON for every event, with output in base64 and errors as data', () => {
  let text = '';
  const renderer = rawJsonRenderer({ write: (more) => (text += more) });
  const events = eventStream((event) => renderer.emit(event), 0);
  events.begin();
  events.plan('a');
  events.output('a', 5, Uint8Array.of(255, 10));
  const source = { range: { file: 'Dockerfile', startLine: 2, endLine: 2 }, text: '' };
  events.finish('a', 6, 'failed', new SlipwayError('SLIPWAY_RUN_FAILED', 'no', { exitCode: 1, source }));
  expect(
    text
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line)),
  ).toEqual([
    { type: 'build-started', at: 0, version: 1 },
    { type: 'step-planned', at: 0, step: { id: 'a', name: 'a' } },
    { type: 'step-output', at: 5, id: 'a', stream: 'stdout', data: '/wo=' },
    {
      type: 'step-finished',
      at: 6,
      id: 'a',
      outcome: 'failed',
      error: { code: 'SLIPWAY_RUN_FAILED', message: 'no', exitCode: 1, file: 'Dockerfile', line: 2 },
    },
  ]);
});

it('shows no password of a URL', () => {
  let text = '';
  const renderer = rawJsonRenderer({ write: (more) => (text += more) });
  const events = eventStream((event) => renderer.emit(event), 0);
  events.plan('ADD https://me:canary@example.com/f /');
  const error = new SlipwayError('SLIPWAY_FETCH_FAILED', 'cannot fetch https://me:canary@example.com/f', {
    outputTail: ['fatal: https://me:canary@example.com/f'],
  });
  events.finish('ADD https://me:canary@example.com/f /', 1, 'failed', error);
  expect(text).toContain('https://***@example.com/f');
  expect(text).not.toContain('canary');
});
