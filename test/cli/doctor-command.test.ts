import { spawnSync } from 'node:child_process';
import { tmpdir } from 'node:os';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';

const MAIN = fileURLToPath(new URL('../../src/cli/main.ts', import.meta.url));

function doctor(...args: string[]) {
  const node = ['--disable-warning=ExperimentalWarning', MAIN, 'doctor'];
  return spawnSync(process.execPath, [...node, ...args], { encoding: 'utf8', env: { PATH: process.env.PATH } });
}

test('doctor prints the same as text and as JSON', () => {
  const root = `--root=${tmpdir()}/no-store-yet`;
  const { rung, checks } = JSON.parse(doctor('--json', root).stdout) as { rung: string; checks: { name: string }[] };
  const { stdout, stderr, status } = doctor(root);
  expect(stderr).toBe('');
  expect(stdout).toMatch(new RegExp(`^RUN steps: ${rung}$`, 'm'));
  for (const { name } of checks) expect(stdout).toMatch(new RegExp(`^(ok|--|no) ${name} `, 'm'));
  expect(status).toBe(rung === 'none' ? 1 : 0);
});

test('doctor refuses arguments that it does not know', () => {
  expect(doctor('--jsn')).toMatchObject({ status: 2, stderr: expect.stringContaining('SLIPWAY_OPTION_INVALID') });
});
