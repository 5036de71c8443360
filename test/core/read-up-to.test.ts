import { execFileSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { readUpTo } from '../../src/core/read-up-to.ts';
import { temporaryFolder } from '../rig/temporary-folder.ts';

test.each([0, 1, 65_536, 200_000])('reads a file of %d bytes, and none that has one more', (limit) => {
  const path = `${temporaryFolder('read')}/file`;
  const bytes = Buffer.alloc(limit, 'x');
  writeFileSync(path, bytes);
  expect(readUpTo(path, limit)?.equals(bytes)).toBe(true);
  writeFileSync(path, Buffer.alloc(limit + 1));
  expect(readUpTo(path, limit)).toBeUndefined();
});

test('ends with what never ends, and reads what a pipe gives', () => {
  expect(readUpTo('/dev/zero', 1_000_000)).toBeUndefined();
  const script = `import { readUpTo } from ${JSON.stringify(import.meta.resolve('../../src/core/read-up-to.ts'))};
    process.stdout.write(readUpTo('/dev/fd/0', 10));`;
  const shell = 'printf piped | "$0" --input-type=module-typescript -e "$1"';
  expect(execFileSync('sh', ['-c', shell, process.execPath, script], { encoding: 'utf8' })).toBe('piped');
});
