import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { pastaDate } from '../../../src/executor/network/network-tool.ts';

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'slipway-pasta-'));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

it.each([
  ['pasta 2024_09_06.6b38f07', '20240906'],
  ['pasta 0.0~git20250503.587980c-2', '20250503'],
  ['pasta unknown version', ''],
  ['', ''],
])('the date of %j is %j', (said, date) => {
  const program = join(folder, 'pasta');
  writeFileSync(program, `#!/bin/sh\necho '${said}'\necho 'Copyright Red Hat 2020'\n`);
  chmodSync(program, 0o755);
  expect(pastaDate(program)).toBe(date);
});
