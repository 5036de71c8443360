import { closeSync, mkdtempSync, openSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { expect, onTestFinished, test } from 'vitest';
import { readPlan } from '../../../src/executor/native/init-plan.ts';

function read(text: string): unknown {
  const folder = mkdtempSync(`${tmpdir()}/slipway-plan-`);
  onTestFinished(() => rmSync(folder, { recursive: true }));
  writeFileSync(`${folder}/plan`, text);
  const fd = openSync(`${folder}/plan`, 'r');
  onTestFinished(() => closeSync(fd));
  return readPlan(fd);
}

test('limits keep all their digits', () => {
  const rlimits = '[{"type":"RLIMIT_CORE","soft":18446744073709551615,"hard":1}]';
  expect(read(`{"spec":{"process":{"rlimits":${rlimits}}}}`)).toEqual({
    spec: { process: { rlimits: [{ type: 'RLIMIT_CORE', soft: 18446744073709551615n, hard: 1n }] } },
  });
});

test('a pipe that ends without a plan says that there is nothing to do', () => {
  expect(read('')).toBeUndefined();
});
