import { expect, test } from 'vitest';
import { parseReport, reportLine } from '../../../src/executor/native/init-report.ts';

test('the last word of the init counts, and what others wrote is kept as text', () => {
  const report = `unshare: something\n${reportLine({ event: 'ready' })}${reportLine({ event: 'not-executed', code: 'ENOENT' })}Killed\n`;
  expect(parseReport(report)).toEqual({
    last: { event: 'not-executed', code: 'ENOENT' },
    text: 'unshare: something\nKilled',
  });
});

test('half a line of an init that was killed is text', () => {
  expect(parseReport('{"event":"rea')).toEqual({ last: undefined, text: '{"event":"rea' });
  expect(parseReport('')).toEqual({ last: undefined, text: '' });
});
