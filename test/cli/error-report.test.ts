import { describe, expect, it } from 'vitest';
import { errorReport } from '../../src/cli/error-report.ts';
import { SlipwayError } from '../../src/core/errors.ts';

const TEXT = 'FROM node\nWORKDIR /app\n\nCOPY package.json .\nRUN npm ci && \\\n  npm test\nCOPY . .\nCMD ["node"]\n';
const report = (error: unknown) => errorReport(error, { debug: false });

describe('the report of an error', () => {
  it('shows message, code, the lines around, the last output and the hint', () => {
    const error = new SlipwayError('SLIPWAY_RUN_FAILED', 'RUN npm ci && npm test exited with code 1', {
      source: { range: { file: 'Dockerfile', startLine: 5, endLine: 6 }, text: TEXT },
      outputTail: ['npm ERR! no lock file', 'npm ERR! see the log'],
      exitCode: 1,
      hint: 'package-lock.json is excluded by .dockerignore line 3 ("*.json")',
    });
    expect(report(error)).toBe(
      [
        'error: RUN npm ci && npm test exited with code 1                         [SLIPWAY_RUN_FAILED]',
        'Dockerfile:5',
        '     3 |',
        '     4 | COPY package.json .',
        '>>   5 | RUN npm ci && \\',
        '>>   6 |   npm test',
        '     7 | COPY . .',
        '     8 | CMD ["node"]',
        '  npm ERR! no lock file',
        '  npm ERR! see the log',
        'hint: package-lock.json is excluded by .dockerignore line 3 ("*.json")',
        '',
      ].join('\n'),
    );
  });

  it('has further lines of the message below the first', () => {
    expect(report(new SlipwayError('SLIPWAY_X_Y', 'one\ntwo'))).toMatch(/^error: one +\[SLIPWAY_X_Y\]\n {2}two\n$/);
  });

  it('has the other errors of the same file behind it', () => {
    const at = (startLine: number) => ({ range: { file: 'D', startLine, endLine: startLine }, text: 'a\nb\nc' });
    const other = new SlipwayError('SLIPWAY_A_B', 'second', { source: at(3) });
    const lines = report(new SlipwayError('SLIPWAY_A_B', 'first', { source: at(1), others: [other] })).split('\n');
    expect(lines.map((line) => line.trimEnd().replace(/ {2,}\[/, ' ['))).toEqual([
      'error: first [SLIPWAY_A_B]',
      'D:1',
      '>>   1 | a',
      '     2 | b',
      '     3 | c',
      'error: second [SLIPWAY_A_B]',
      'D:3',
      '     1 | a',
      '     2 | b',
      '>>   3 | c',
      '',
    ]);
  });

  it('lets no foreign text control the terminal, and shows no password', () => {
    const error = new SlipwayError('SLIPWAY_X_Y', 'cannot fetch https://user:p@ss@host/x\u001b]0;title\u0007!', {
      outputTail: ['\u001b[31mred\u001b[0m', '10%\r100%', 'bell\u0007', 'https://token@host'],
      hint: 'see http://a:b@c/',
    });
    expect(report(error).split('\n').slice(1)).toEqual([
      '  red',
      '  100%',
      '  bell\ufffd',
      '  https://***@host',
      'hint: see http://***@c/',
      '',
    ]);
    expect(report(error)).toContain('cannot fetch https://***@host/x! ');
  });

  it('has a stack only for --debug', () => {
    const error = new SlipwayError('SLIPWAY_X_Y', 'outer', { cause: new Error('inner') });
    expect(report(error)).not.toMatch(/ at /);
    expect(errorReport(error, { debug: true })).toMatch(/ at .*error-report[\s\S]*caused by:\nError: inner/);
  });

  it('says of an error that nobody foresaw that it is a fault, and of the system that it is the system', () => {
    expect(report(new Error('internal: no stack'))).toMatch(/^error: internal: no stack\nThis is a fault in slipway/);
    expect(report(Object.assign(new Error('ENOSPC: no space left'), { code: 'ENOSPC' }))).toBe(
      'error: ENOSPC: no space left\n',
    );
  });
});
