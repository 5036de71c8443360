import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';

/** The ordinary user that tests make when they are run by root. */
export const TEST_USER = 'slipway-test';

export function isRoot(): boolean {
  return process.geteuid?.() === 0;
}

/** A command as the ordinary user: that of the tests, or whoever runs them if it is not root. */
export function asUser(command: readonly string[], user: string = TEST_USER): string[] {
  if (!isRoot()) return [...command];
  return ['setpriv', '--reuid', user, '--regid', user, '--init-groups', '--', ...command];
}

/** Whether the command ends well. */
export function mayRun([program = '', ...args]: readonly string[]): boolean {
  return spawnSync(program, args, { stdio: 'ignore' }).status === 0;
}

/** Makes the ordinary user and gives it subordinate ids, where it lacks them and root runs the tests. Returns why it cannot. */
export function prepareTestUser(): string | undefined {
  if (!isRoot()) return undefined;
  if (!mayRun(['id', TEST_USER]) && !mayRun(['useradd', '--create-home', '--shell', '/bin/sh', TEST_USER]))
    return `useradd ${TEST_USER} failed`;
  for (const kind of ['uids', 'gids']) {
    const file = `/etc/sub${kind.slice(0, 3)}`;
    const isThere = mayRun(['grep', '-q', `^${TEST_USER}:`, file]);
    if (!isThere && !mayRun(['usermod', `--add-sub${kind}`, freeRange(file), TEST_USER]))
      return `usermod --add-sub${kind} failed`;
  }
  return undefined;
}

/** 65536 ids behind all that are given away. */
function freeRange(file: string): string {
  const taken = readFileSync(file, { encoding: 'utf8', flag: 'a+' })
    .split('\n')
    .map((line) => line.split(':'))
    .map(([, start, count]) => Number(start ?? 0) + Number(count ?? 0));
  const first = Math.max(100_000, ...taken);
  return `${first}-${first + 65_535}`;
}
