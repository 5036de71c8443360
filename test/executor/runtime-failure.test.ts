import { expect, test } from 'vitest';
import { runtimeFailure } from '../../src/executor/runtime-failure.ts';

const entry = (msg: string, level = 'error') => `${JSON.stringify({ msg, level, time: '2026-01-01T00:00:00Z' })}\n`;

test.each([
  ['crun', 'executable file `tool` not found in $PATH: No such file or directory', 127, 'not found in the image'],
  ['crun', 'open executable: Permission denied', 126, 'permission denied'],
  ['crun', 'exec container process `/tool`: Exec format error', 126, 'Exec format error'],
  [
    'runc',
    'runc run failed: unable to start container process: exec: "tool": executable file not found in $PATH: unknown',
    127,
    'not found in the image',
  ],
  [
    'runc',
    'runc run failed: unable to start container process: exec: "/tool": permission denied',
    126,
    'permission denied',
  ],
  ['runc', 'runc run failed: exec /tool: no such file or directory', 127, 'not found in the image'],
])('%s says "%s": exit code %i', (_runtime, message, exitCode, reason) => {
  const error = runtimeFailure(['tool'], 1, entry(message));
  expect(error).toMatchObject({ code: 'SLIPWAY_RUN_FAILED', exitCode });
  expect(error.message).toBe(`cannot start "tool": ${reason}`);
});

test('another problem of the runtime is told in its words, and is no failure of the command', () => {
  const error = runtimeFailure(['tool'], 1, entry('mount `proc` to `proc`: Operation not permitted'));
  expect(error).toMatchObject({ code: 'SLIPWAY_RUNTIME_FAILED', exitCode: undefined });
  expect(error.message).toContain('mount `proc` to `proc`: Operation not permitted');
});

test('warnings and torn lines of the log are no problem', () => {
  const log = `${entry('unable to get oom kill count', 'warning')}{"msg": "torn\nnot json at all\n{}\n`;
  expect(runtimeFailure(['sh', '-c', 'exit 7'], 7, log).message).toBe('"sh -c exit 7" exited with code 7');
});

test('a status above 128 is a signal', () => {
  expect(runtimeFailure(['tool'], 137, '').message).toBe('"tool" was killed by signal 9');
  expect(runtimeFailure(['tool'], 255, '').message).toBe('"tool" exited with code 255');
});
