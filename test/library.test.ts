import { describe, expect, it } from 'vitest';
import { SlipwayError } from '../src/core/errors.ts';
import type { BuildRequest } from '../src/index.ts';
import {
  messageLine,
  type NamespaceMessage,
  readMessageLine,
  readRequestFrame,
  requestFrame,
} from '../src/namespace-messages.ts';

describe('messages between a library and its namespace', () => {
  it('carry errors of slipway whole, those beside them included', () => {
    const source = { range: { file: 'Dockerfile', startLine: 2, endLine: 3 }, text: 'FROM a\nRUN x\n' };
    const error = new SlipwayError('SLIPWAY_RUN_FAILED', 'RUN x failed', {
      source,
      hint: 'try y',
      exitCode: 3,
      outputTail: ['a', 'b'],
      others: [new SlipwayError('SLIPWAY_FLAG_UNKNOWN', 'unknown flag')],
    });
    const got = readMessageLine(messageLine({ type: 'failure', error }));
    expect(got?.type).toBe('failure');
    const revived = (got as Extract<NamespaceMessage, { type: 'failure' }>).error as SlipwayError;
    expect(revived).toBeInstanceOf(SlipwayError);
    expect(revived).toMatchObject({ code: error.code, message: error.message, hint: 'try y', exitCode: 3, source });
    expect(revived.outputTail).toEqual(['a', 'b']);
    expect(revived.others[0]).toMatchObject({ code: 'SLIPWAY_FLAG_UNKNOWN' });
  });

  it('carry the bytes of a step as they are', () => {
    const data = Uint8Array.of(0, 10, 255);
    const event = { type: 'step-output', at: 1, id: 'x', stream: 'stdout', data } as const;
    const got = readMessageLine(messageLine({ type: 'event', event }));
    expect(got).toMatchObject({ type: 'event', event: { id: 'x' } });
    const { event: read } = got as Extract<NamespaceMessage, { type: 'event' }>;
    expect(read.type === 'step-output' && [...read.data]).toEqual([0, 10, 255]);
  });

  it('leave lines of others alone', () => {
    expect(readMessageLine('(node:1) Warning: something')).toBeUndefined();
  });

  it('give a request its standard input back, however the bytes are cut', async () => {
    const request = {
      context: '-',
      tags: ['a'],
      env: { A: 'b' },
      ulimits: [{ name: 'core', soft: Infinity, hard: Infinity }],
    };
    const bytes = Buffer.concat([requestFrame(request as unknown as BuildRequest), Buffer.from('FROM scratch\n')]);
    async function* oneByOne() {
      for (const byte of bytes) yield Uint8Array.of(byte);
    }
    const { stdin, ...rest } = await readRequestFrame(oneByOne());
    expect(rest).toEqual(request);
    let text = '';
    for await (const chunk of stdin ?? []) text += Buffer.from(chunk).toString();
    expect(text).toBe('FROM scratch\n');
  });
});
