import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { expect, test } from 'vitest';
import { ownIdentity } from '../../cache/process-identity.ts';
import { removeDeadRuns } from './run-folder.ts';
import { temporaryFolder } from './temporary-folder.ts';

function runFolder(temporary: string, name: string, owner: string): string {
  const folder = join(temporary, name);
  mkdirSync(join(folder, 'inside'), { recursive: true });
  writeFileSync(join(folder, 'owner'), owner);
  return folder;
}

/** The identity of a process that has ended. */
function deadIdentity(): string {
  const script = `import { ownIdentity } from ${JSON.stringify(import.meta.resolve('../../cache/process-identity.ts'))};
    process.stdout.write(ownIdentity());`;
  return spawnSync(process.execPath, ['--input-type=module-typescript', '-e', script], { encoding: 'utf8' }).stdout;
}

test('the tests of a run have their temporary files in one folder, which says whose it is', () => {
  expect(dirname(temporaryFolder('x'))).toBe(tmpdir());
  expect(readdirSync(tmpdir())).toContain('owner');
  expect(statSync(tmpdir()).mode & 0o7777).toBe(0o1777);
});

test('what a killed run left is removed, and nothing else', () => {
  const temporary = temporaryFolder('runs');
  const dead = deadIdentity();
  runFolder(temporary, 'slip-dead', dead);
  runFolder(temporary, 'slip-alive', ownIdentity());
  runFolder(temporary, 'slip-strange', 'somebody');
  runFolder(temporary, 'other-run-dead', dead);
  mkdirSync(join(temporary, 'slip-begun'));
  removeDeadRuns(temporary);
  const kept = ['other-run-dead', 'slip-alive', 'slip-begun', 'slip-strange'];
  expect(readdirSync(temporary).sort()).toEqual(kept);
  expect(existsSync(join(temporary, 'slip-alive', 'inside'))).toBe(true);
});
